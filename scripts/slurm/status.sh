#!/usr/bin/env bash
# Shows where a run is, for each model and task, from its files alone.
#
#   scripts/slurm/status.sh CONFIG          CONFIG: see scripts/slurm/config.example
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/scripts/help.sh"
. "$root/scripts/slurm/read_config.sh"

show_help "$@"
[ $# = 1 ] || fail "usage: $0 CONFIG"
read_config "$1"
activate
set_options
exec python -m hear_tasks.reproduce.status "${run_options[@]}" "${selection[@]}" "${fetch_options[@]}"
