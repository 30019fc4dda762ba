"""The commands of `hear-cacophony` that belong to the library."""
