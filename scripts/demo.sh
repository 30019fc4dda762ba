#!/usr/bin/env bash
# Sets up what is missing, then runs the whole chain on real audio for both stages and a baseline: doctor,
# hear-validator, embeddings, heareval's predictions, a table of scores and a picture.
#
#   scripts/demo.sh [OUT] [--all] [--full] [--text] [--sources DIR]     OUT: demo-output in the checkout; --help for the rest
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/help.sh"
case ${1:-} in '' | -*) set -- "$root/demo-output" "$@" ;; esac
unset PYTHONPATH PYTHONHOME
check_arguments hear_tasks.demo.__main__ "$@"
"$root/scripts/setup.sh" --demo
exec "$root/.venv/bin/python" -m hear_tasks.demo "$@"
