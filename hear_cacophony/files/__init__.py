"""Files and folders as the whole package writes and reads them: one helper for one thing."""
