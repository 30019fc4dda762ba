"""The HEAR API around the engine; the only place where TensorFlow is imported."""
