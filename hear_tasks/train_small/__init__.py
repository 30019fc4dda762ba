"""Weights of one's own from recordings that Debian distributes: fetched, packed, trained on and scored."""
