"""The commands about checkpoints and about sounds of one's own, a module each."""
