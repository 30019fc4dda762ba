#!/usr/bin/env bash
# Brings up the environment of the project: a virtual environment .venv in the checkout, with the
# pinned versions of scripts/constraints.txt, heareval and hearvalidator. Does nothing twice.
#
#   scripts/setup.sh            PYTHON=/path/to/python3.12 scripts/setup.sh
#   scripts/setup.sh --python   names the Python that it would use, and sets nothing up
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
constraints=$root/scripts/constraints.txt
log=$venv/setup.log
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME

. "$root/scripts/help.sh"
show_help "$@"

say() { printf 'setup: %s\n' "$*"; }

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

is_suitable() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_suitable "$PYTHON" || fail "PYTHON=$PYTHON: expected Python 3.11, 3.12 or 3.13"
        printf '%s' "$PYTHON"
        return
    fi
    local candidate
    for candidate in python3.13 python3.12 python3.11 python3 python; do
        if is_suitable "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
    fail "expected Python 3.11, 3.12 or 3.13, found none; install one, or name it: PYTHON=/path/to/python3.12 $0"
}

fingerprint() {
    { "$1" --version; printf '%s\n' "$root"; cat "$constraints" "$root/setup.py" "${BASH_SOURCE[0]}"; } | sha256sum | cut -d' ' -f1
}

run() {
    say "$1"
    shift
    if ! "$@" >>"$log" 2>&1; then
        grep -iE 'error' "$log" | tail -n 5 >&2 || true
        tail -n 5 "$log" >&2
        fail "failed; the whole output is in $log"
    fi
}

install() {
    "$venv/bin/python" -m pip install --disable-pip-version-check --constraint "$constraints" "$@"
}

create() {
    "$python" -m venv --clear "$venv" || fail "could not make $venv; on Debian, install python3-venv"
    : >"$log"
}

case "$*" in
    '') ;;
    --python)
        find_python
        exit
        ;;
    *) fail "expected no arguments, got $*; --help shows what it does" ;;
esac

python=$(find_python)
wanted=$(fingerprint "$python")

exec 9>"$root/.setup.lock"
flock 9
if [ "$(cat "$venv/stamp" 2>/dev/null || true)" = "$wanted" ]; then
    say "$venv is up to date"
    exit 0
fi

say "making $venv with $("$python" --version)"
create
run "installing torch" install torch
run "installing the pinned versions of everything else (a few minutes)" install --editable "${root}[hear,tasks,download,captions,parquet,plugins,train,pages,map,media,test]"
run "installing tinysoundfont" install --no-deps tinysoundfont
run "installing msclap" install --no-deps msclap
run "installing heareval and hearvalidator" install --no-deps --ignore-requires-python heareval==2021.1.3 hearvalidator==2021.0.6
printf '%s\n' "$wanted" >"$venv/stamp"
say "done"
