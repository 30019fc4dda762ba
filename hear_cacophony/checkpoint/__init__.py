"""Checkpoints: the published Flax files and converted ones, read, checked and found."""
