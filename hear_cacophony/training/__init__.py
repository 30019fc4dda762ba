"""Training of both stages: losses, data, and the loop. Nothing outside this package needs it."""
