#!/usr/bin/env bash
# Sets up what is missing, then trains a small stage 1 on recordings from Debian packages, and scores it on the way:
# OUT/training/scores.txt and .png show the scores against the step, OUT/README.md is its card. The same command goes on
# where it was stopped.
#
#   scripts/train_small.sh OUT [--steps N] [--sources DIR]    (--help tells more)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/help.sh"
unset PYTHONPATH PYTHONHOME
check_arguments hear_tasks.train_small.__main__ "$@"
"$root/scripts/setup.sh" >&2
exec "$root/.venv/bin/python" -m hear_tasks.train_small "$@"
