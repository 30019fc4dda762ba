#!/usr/bin/env bash
# Sets up what is missing, then makes the published HEAR table again on this machine: every row whose weights are in
# --checkpoints, ours and the five beside them, on every task found; the other rows are shown as published. It ends
# with the table's columns beside the published figures, and a plot. The same command goes on where it was stopped.
# The five beside ours need 20 passes of 10 s for each second of an event task (DCASE 2016, MAESTRO): --task chooses
# others. The tasks need audio of each model's rate: hear-cacophony prepare --rates 16000,32000,44100,48000
# With --download, weights are fetched first, then each task, while those before it are embedded and predicted.
#
#   scripts/reproduce_table.sh --checkpoints DIR --tasks-dir DIR --out DIR       (--help for the rest)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/help.sh"
unset PYTHONPATH PYTHONHOME
check_arguments hear_tasks.reproduce.__main__ --table "$@"
"$root/scripts/setup.sh" >&2
exec "$root/.venv/bin/python" -m hear_tasks.reproduce --table "$@"
