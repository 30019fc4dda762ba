#!/usr/bin/env bash
# Brings up the environment of the project: a virtual environment .venv in the checkout, with the
# pinned versions of scripts/constraints.txt, heareval and hearvalidator. Does nothing twice.
#
#   scripts/setup.sh            PYTHON=/path/to/python3.12 scripts/setup.sh
#   scripts/setup.sh --gpu      with the builds of JAX and torch that go with this machine's NVIDIA driver and cards, by the
#                               table in hear_tasks/doctor/cuda_builds.csv; --gpu cuda12 or --gpu cuda13 where it has no card itself
#   scripts/setup.sh --demo     without what only tests, training and other models need; it is added when that is asked for
#   scripts/setup.sh --dry-run  with any of these: tells what it would install, and sets nothing up
#   scripts/setup.sh --python   names the Python that it would use, and sets nothing up
#
# Builds for a card stay until they are asked for anew: scripts that call this keep them.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
constraints=$root/scripts/constraints.txt
cuda_builds=$root/hear_tasks/doctor/cuda_builds.csv
cpu_index=https://download.pytorch.org/whl/cpu
demo_extras=hear,tasks,text
extras=hear,tasks,download,captions,parquet,plugins,train,pages,map,media,test
log=$venv/setup.log
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME

. "$root/scripts/help.sh"
show_help "$@"

say() { printf 'setup: %s\n' "$*"; }

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# Python 3.11.4 brought filters for tar files; some packages need 3.11.5.
is_suitable() {
    "$1" -c 'import sys; sys.exit(not (3, 11, 5) <= sys.version_info < (3, 14))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_suitable "$PYTHON" || fail "PYTHON=$PYTHON: expected Python 3.11 (from 3.11.5 on), 3.12 or 3.13"
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
    fail "expected Python 3.11 (from 3.11.5 on), 3.12 or 3.13, found none; install one, or name it: PYTHON=/path/to/python3.12 $0"
}

fingerprint() {
    {
        "$1" --version
        printf '%s\n' "$root"
        cat "$constraints" "$root/setup.py" "${BASH_SOURCE[0]}" "$cuda_builds"
    } | sha256sum | cut -d' ' -f1
}

builds_table() {
    grep -v -e '^#' -e '^driver' "$cuda_builds"
}

# Numbers that nvidia-smi tells of the cards of this machine, one a line, without what else it may say.
ask_cards() {
    nvidia-smi --query-gpu="$1" --format=csv,noheader 2>&1 | tr -d ' \r' | grep -E '^[0-9]+(\.[0-9]+)+$' | sort -V
}

# The builds for a card, an extra of jax and an index of torch with a space between, by the name of the extra, or by the
# driver and the oldest card of this machine. The usual index is an empty one.
find_builds() {
    local driver card least least_card extra index oldest='' oldest_card=''
    if [ -n "$1" ]; then
        while IFS=, read -r _ _ extra index; do
            if [ "$extra" = "$1" ]; then
                printf '%s %s' "$extra" "$index"
                return
            fi
        done < <(builds_table)
        fail "--gpu $1: expected one of $(builds_table | cut -d, -f3 | paste -sd' ')"
    fi
    driver=$(ask_cards driver_version | head -n 1) || true
    if [ -z "$driver" ]; then
        local said
        said=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>&1 | head -n 1) || true
        fail "--gpu: nvidia-smi tells of no card here${said:+ (it says: $said)}; run this on a node that has one, or name the builds: --gpu cuda13"
    fi
    card=$(ask_cards compute_cap | head -n 1) || true # which old ones do not tell
    while IFS=, read -r least least_card extra index; do
        if [ "${driver%%.*}" -ge "$least" ] && { [ -z "$card" ] || [ "${card/./}" -ge "${least_card/./}" ]; }; then
            printf '%s %s' "$extra" "$index"
            return
        fi
        oldest=$least oldest_card=$least_card
    done < <(builds_table)
    if [ "${driver%%.*}" -ge "$oldest" ]; then
        fail "--gpu: a card of this machine, of compute capability $card, is older than $oldest_card, the least that any build takes; use CPUs: scripts/setup.sh"
    fi
    fail "--gpu: the NVIDIA driver of this machine, $driver, is older than $oldest, the least that any build takes; have it renewed, or use CPUs: scripts/setup.sh"
}

# Whether an index of torch answers. A build for CPUs is a tenth of the one that brings CUDA along.
is_reached() {
    "$python" - "$1/torch/" <<'CODE' 2>/dev/null
import sys, urllib.request

urllib.request.urlopen(sys.argv[1], timeout=20).read(1)
CODE
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

gpu=no gpu_name='' kind=all dry_run=no
while [ $# -gt 0 ]; do
    case $1 in
        --python)
            find_python
            exit
            ;;
        --gpu)
            gpu=yes
            case ${2:-} in
                '' | -*) ;;
                *)
                    gpu_name=$2
                    shift
                    ;;
            esac
            ;;
        --demo) kind=demo ;;
        --dry-run) dry_run=yes ;;
        *) fail "expected --gpu, --demo, --dry-run or --python, got $1; --help shows what they do" ;;
    esac
    shift
done

python=$(find_python)
wanted=$(fingerprint "$python")

if [ "$dry_run" = no ]; then
    exec 9>"$root/.setup.lock"
    flock 9
fi
{ read -r found found_kind found_builds <"$venv/stamp"; } 2>/dev/null || found='' found_kind='' found_builds=''
builds=${found_builds:-cpu} index=''
if [ "$gpu" = yes ]; then
    chosen=$(find_builds "$gpu_name")
    read -r builds index <<<"$chosen"
elif [ "$builds" != cpu ]; then
    chosen=$(find_builds "$builds")
    read -r builds index <<<"$chosen"
fi
is_current=no
if [ "$found" = "$wanted" ] && [ "$found_builds" = "$builds" ]; then is_current=yes; fi
if [ "$is_current" = yes ] && { [ "$found_kind" = all ] || [ "$found_kind" = "$kind" ]; }; then
    say "$venv is up to date"
    exit 0
fi

if [ "$kind" = demo ]; then wanted_extras=$demo_extras; else wanted_extras=$extras; fi
# Of an index of its own torch comes alone: what it needs comes with everything else, at the pinned versions. Sizes are
# those of 2026: on the disk, and what CUDA adds to what is fetched.
torch=(torch) size='4 GB on the disk'
if [ "$kind" = demo ]; then size='3.6 GB on the disk'; fi
case $builds in
    cpu)
        if is_reached "$cpu_index"; then
            torch+=(--no-deps --index-url "$cpu_index")
        else
            size="$size; torch's index for CPUs cannot be reached, and the usual one may give the build that brings CUDA along: 2.7 GB more to fetch"
        fi
        ;;
    *)
        if [ -n "$index" ]; then torch+=(--no-deps --index-url "$index"); fi
        size="$size, and CUDA: 3 to 5 GB more to fetch"
        if [ "$(uname -m)" != x86_64 ]; then
            size="$size; on $(uname -m) torch's build may be one for CPUs, which predict: doctor tells"
        fi
        ;;
esac
say "builds for $builds: $size"
if [ "$dry_run" = yes ]; then
    say "would install: ${torch[*]}"
    if [ "$builds" != cpu ]; then say "would install: jax[$builds]"; fi
    say "would install: .[$wanted_extras]"
    exit 0
fi

if [ "$is_current" = yes ]; then
    say "adding to $venv"
else
    say "making $venv with $("$python" --version)"
    create
    run "installing torch" install "${torch[@]}"
    if [ "$builds" != cpu ]; then run "installing jax[$builds]" install "jax[$builds]"; fi
fi
run "installing the pinned versions of everything else (a few minutes)" install --editable "${root}[$wanted_extras]"
run "installing tinysoundfont" install --no-deps tinysoundfont
if [ "$kind" = all ]; then run "installing msclap" install --no-deps msclap; fi
run "installing heareval and hearvalidator" install --no-deps --ignore-requires-python heareval==2021.1.3 hearvalidator==2021.0.6
printf '%s %s %s\n' "$wanted" "$kind" "$builds" >"$venv/stamp"
say "done"
