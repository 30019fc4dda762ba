#!/usr/bin/env bash
# Sets up what is missing and runs the tests, a file at a time in each of up to four processes; with --all those, too,
# that only repeat (more seeds, lengths, sizes and kills). Arguments go to pytest, whose own help is that of
# .venv/bin/python -m pytest --help:
#
#   scripts/test.sh             scripts/test.sh --all             scripts/test.sh tests/test_golden.py -k tiny
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/help.sh"
show_help "$@"
"$root/scripts/setup.sh"
cd "$root"
unset PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE HEAR_CACOPHONY_WEIGHTS
cores=$(nproc)
processes=$((cores < 4 ? cores : 4)) # each takes seconds to import what it tests
exec "$root/.venv/bin/python" -m pytest --numprocesses "$processes" --dist loadfile --no-loadscope-reorder "$@"
