#!/usr/bin/env bash
# Sets up what is missing, then runs the whole chain on real audio for both stages: hear-validator,
# heareval's embeddings and predictions, and a table of scores.
#
#   scripts/demo.sh [OUT] [--sources DIR]             OUT: demo-output in the checkout
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$root/scripts/setup.sh"
unset PYTHONPATH PYTHONHOME
case ${1:-} in '' | -*) set -- "$root/demo-output" "$@" ;; esac
exec "$root/.venv/bin/python" -m hear_tasks.demo "$@"
