"""Sounds of one's own: found in folders, embedded in chunks that survive a kill, indexed for search, written out."""
