"""The networks, in Flax linen, and their sizes."""
