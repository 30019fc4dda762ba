"""`hear-cacophony prepare`: HEAR tasks at 16 kHz, from the folders or tarballs that they are published as."""
