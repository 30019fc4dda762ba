"""From clips of any length to embeddings, in batches on all devices."""
