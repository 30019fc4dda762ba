"""HEAR tasks: building small ones from real recordings, running them, and reading scores."""
