"""`scripts/demo.sh` and `hear-cacophony demo-tasks`: small tasks from real recordings, and the whole chain on them."""
