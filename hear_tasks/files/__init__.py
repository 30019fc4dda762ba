"""Files and folders as all commands write and read them."""
