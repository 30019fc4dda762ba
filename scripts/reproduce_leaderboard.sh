#!/usr/bin/env bash
# Sets up what is missing, then goes from checkpoints and a folder of HEAR tasks to the leaderboard on this machine:
# doctor, embed, predict, and the table, for both stages and every task found. The same command goes on where it was
# stopped. In an environment of your own it is: python -m hear_tasks.reproduce
# With --download, weights are fetched first, then each task, while those before it are embedded and predicted.
#
#   scripts/reproduce_leaderboard.sh --checkpoints DIR --tasks-dir DIR --out DIR       (--help for the rest)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/help.sh"
unset PYTHONHOME
case " $* " in
    *' --module'*) ;; # which PYTHONPATH may lead to
    *) unset PYTHONPATH ;;
esac
check_arguments hear_tasks.reproduce.__main__ "$@"
"$root/scripts/setup.sh" >&2
exec "$root/.venv/bin/python" -m hear_tasks.reproduce "$@"
