#!/usr/bin/env bash
# What there is to know of a machine with a GPU, in ten minutes: the tests that need one, the rates of the encoder and
# of training steps beside that of matrix products in both precisions, embed beside the encoder alone, predictions
# beside heareval's. Each part is written to OUT when it is done, so that a run that is stopped keeps what it had. Sets
# nothing up and uses no network: PYTHON, or python3, has to have jax, flax and numpy; pytest, torch and heareval are
# used where they are.
#
#   scripts/gpu_check.sh OUT [--quick]      --quick: tiny models, to see on any machine that all is there
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/help.sh"
show_help "$@"
python=${PYTHON:-python3}

fail() {
    printf 'gpu_check: %s\n' "$*" >&2
    exit 2
}

case $# in
    1) scale=--short ;;
    2) scale=$2 ;;
    *) fail "expected a folder for the results, and perhaps --quick, got $# arguments; --help shows what it does" ;;
esac
case $1:$scale in
    -*) fail "expected a folder for the results, got $1" ;;
    *:--short | *:--quick) ;;
    *) fail "expected --quick, got $scale" ;;
esac
case $python in
    /*) ;;
    */*) python=$PWD/$python ;; # relative to where it was told
esac
command -v "$python" >/dev/null || fail "PYTHON: expected a Python with jax, found no $python"
[ ! -e "$1/summary.txt" ] || fail "$1 holds the results of an earlier run; choose another folder"
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$root"
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} PYTHONDONTWRITEBYTECODE=1

note() { printf '%s\n' "$*" | tee -a "$out/summary.txt"; }

failed=0
# part NAME COMMAND...: run it with its output in OUT/NAME.txt, and note how it ended.
part() {
    local name=$1 begun=$SECONDS status=0
    shift
    "$@" >"$out/$name.txt" 2>&1 || status=$?
    if [ "$status" = 0 ]; then
        note "$name: done in $((SECONDS - begun)) s"
    else
        failed=1
        note "$name: FAILED with status $status after $((SECONDS - begun)) s: $(tail -n 1 "$out/$name.txt")"
    fi
}

measure() {
    local name=$1
    shift
    part "$name" "$python" -m hear_tasks.benchmark "$scale" --json "$out/$name.json" "$@"
}

# shellcheck disable=SC2317 # called by its name
device() {
    "$python" -c 'import jax; print(jax.default_backend(), *(each.device_kind for each in jax.devices()), jax.__version__)' ||
        return
    if command -v nvidia-smi >/dev/null; then nvidia-smi; fi
}

part device device
read -r platform _ <"$out/device.txt" || platform=
note "$(head -n 1 "$out/device.txt")"
if "$python" -c 'import pytest' 2>"$out/tests.txt"; then
    [ "$platform" != gpu ] || platform=cuda
    tests=(tests/test_gpu.py tests/test_gpu_predict.py)
    JAX_PLATFORMS=$platform part tests "$python" -m pytest -q -rs -p no:cacheprovider -m gpu "${tests[@]}"
else
    note "tests: not run: $(tail -n 1 "$out/tests.txt")"
fi
measure encoder-float32 --only encoder
measure encoder-bfloat16 --only encoder --precision bfloat16
measure embed --only embed
measure training-float32 --only training
measure training-bfloat16 --only training --precision bfloat16
measure predict --only predict
exit "$failed"
