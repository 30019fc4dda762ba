"""Embeddings of HEAR tasks: the files that heareval's prediction runner reads, at the speed of the hardware."""
