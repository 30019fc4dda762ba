"""heareval's predictions for embeddings of HEAR tasks: the same scores in less time."""
