"""Any HEAR plugin, torch or TensorFlow, in the place of one of our own models."""
