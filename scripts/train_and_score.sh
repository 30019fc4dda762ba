#!/usr/bin/env bash
# Sets up what is missing, then trains a model and scores it at some steps with `embed` and `predict`: on the demo tasks,
# or on HEAR tasks. OUT/scores.txt and OUT/scores.png show the scores against the step, beside those of the log-mel
# baseline and of the untrained model. The same command goes on where it was stopped.
#
#   scripts/train_and_score.sh OUT [--score-at STEP ...] [--tasks-dir DIR] -- STAGE --data SHARDS ...    (--help for the rest)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/help.sh"
unset PYTHONPATH PYTHONHOME
check_arguments hear_tasks.train_and_score.__main__ "$@"
"$root/scripts/setup.sh" >&2
exec "$root/.venv/bin/python" -m hear_tasks.train_and_score "$@"
