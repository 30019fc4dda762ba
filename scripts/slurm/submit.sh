#!/usr/bin/env bash
# Submits what is still to do of a run to Slurm: an array that embeds, an array that predicts, each job of it as soon as
# its own embeddings are there, and a job that makes the report when all have ended. With DOWNLOAD=1 each task has arrays
# of its own, and before them a job that fetches it while the task before it is embedded.
#
#   scripts/slurm/submit.sh CONFIG [--dry-run]          CONFIG: see scripts/slurm/config.example
# shellcheck disable=SC2153
# (the keys are set by read_config.sh)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/scripts/help.sh"
. "$root/scripts/slurm/read_config.sh"

usage="usage: $0 CONFIG [--dry-run]"
show_help "$@"
config='' dry_run=no
for argument in "$@"; do
    case $argument in
        --dry-run) dry_run=yes ;;
        -*) fail "unknown option $argument; $usage" ;;
        *)
            [ -z "$config" ] || fail "$usage"
            config=$argument
            ;;
    esac
done
[ -n "$config" ] || fail "$usage"

submitted=()

# Print a command so that bash would read it again.
print_command() {
    local word
    for word in "$@"; do
        if [[ $word =~ ^[A-Za-z0-9_./=:,%@+-]+$ ]]; then printf '%s ' "$word"; else printf '%q ' "$word"; fi
    done
    printf '\n'
}

# submit_job WHAT OPTIONS... SCRIPT: set `job` to the number of the job; in a dry run, print the command.
submit_job() {
    local what=$1
    shift
    local command=(sbatch --parsable --output="$logs/$what-$output_pattern" "${site[@]}" "$@" "$root" "$folder")
    if [ "$dry_run" = yes ]; then
        print_command "${command[@]}"
        job="JOB-OF-$what"
        return
    fi
    if ! job=$("${command[@]}"); then
        if [ ${#submitted[@]} -gt 0 ]; then
            scancel "${submitted[@]}" && printf 'cancelled again: %s\n' "${submitted[*]}" >&2
        fi
        fail "sbatch did not take the $what job: $(print_command "${command[@]}")"
    fi
    job=${job%%;*}
    submitted+=("$job")
    printf '%s: job %s\n' "$what" "$job"
}

# Numbers as an array of Slurm.
as_array() {
    local IFS=,
    printf '%s%s' "$*" "${MAX_RUNNING:+%$MAX_RUNNING}"
}

read_config "$config"
[ "$dry_run" = yes ] || command -v sbatch >/dev/null || fail "no command sbatch here; submit from a login node of the cluster"
activate
set_options
plan=$(python -m hear_tasks.reproduce.status --to-do "${run_options[@]}" "${selection[@]}" "${fetch_options[@]}") || exit 1

embed=() predict_now=() number=0 running=0 tasks=()
declare -A embed_task=()
while IFS=$'\t' read -r model task phase state; do
    [ -n "$model" ] || continue
    printf 'job %s: %s, %s: %s\n' "$number" "$model" "$task" "$phase"
    if [ "$phase" = embed ]; then
        embed+=("$number")
        [ -n "${embed_task[$task]:-}" ] || tasks+=("$task")
        embed_task[$task]+="$number "
    else
        predict_now+=("$number")
    fi
    if [ "$state" = running ]; then running=$((running + 1)); fi
    number=$((number + 1))
done <<<"$plan"
[ "$number" -gt 0 ] || printf 'nothing is left to embed or to predict\n'
if [ "$running" -gt 0 ] && [ "$dry_run" = no ]; then
    fail "$running of these are running now (see scripts/slurm/status.sh); submit again when they have ended"
fi

folder=$OUT/slurm/$(date +%Y%m%d-%H%M%S)-$$
logs=$OUT/logs/slurm
if [ "$dry_run" = no ]; then
    mkdir -p "$folder" "$logs"
    cp -- "$config" "$folder/config"
    printf '%s\n' "$plan" >"$folder/plan"
    printf '%s\n' "${tasks[@]}" >"$folder/tasks" # in the order in which they are fetched
fi

common=()
if [ -n "$ACCOUNT" ]; then common+=(--account="$ACCOUNT"); fi
read -r -a more <<<"$SBATCH_OPTIONS"
common+=("${more[@]}")

# set_site PARTITION GPU CPUS MEMORY TIME: set `site` to the options of a job.
set_site() {
    local gpu
    read -r -a gpu <<<"$2"
    site=("${common[@]}" "${gpu[@]}" --cpus-per-task="$3" --mem="$4" --time="$5")
    if [ -n "$1" ]; then site+=(--partition="$1"); fi
}

jobs=()
output_pattern=%A_%a.log

# submit_arrays SUFFIX DEPENDENCY NUMBERS...: embed and predict these lines of the plan; set `embedding` to the first job.
submit_arrays() {
    local suffix=$1 dependency=() numbers
    if [ -n "$2" ]; then dependency=(--dependency="$2"); fi
    shift 2
    numbers=$(as_array "$@")
    set_site "$PARTITION" "$EMBED_GPU" "$EMBED_CPUS" "$EMBED_MEMORY" "$EMBED_TIME"
    submit_job "embed$suffix" "${dependency[@]}" --array="$numbers" "$root/scripts/slurm/embed.sbatch"
    embedding=$job
    set_site "${PREDICT_PARTITION:-$PARTITION}" "$PREDICT_GPU" "$PREDICT_CPUS" "$PREDICT_MEMORY" "$PREDICT_TIME"
    # A job whose embeddings failed can never begin, and would otherwise wait for ever.
    submit_job "predict$suffix" --array="$numbers" --dependency="aftercorr:$embedding" --kill-on-invalid-dep=yes \
        "$root/scripts/slurm/predict.sbatch"
    jobs+=("$embedding" "$job")
}

# Each task is fetched when the one before it has been, and when the one before that is embedded: two at a time take
# room for what goes again. Whatever became of those: what did not come fails by itself, and stops nothing else.
submit_with_downloads() {
    local task i numbers dependency downloads=() embeddings=()
    for i in "${!tasks[@]}"; do
        task=${tasks[$i]} dependency=''
        if [ "$i" -gt 0 ]; then dependency=afterany:${downloads[$i - 1]}; fi
        if [ "$i" -gt 1 ]; then dependency+=:${embeddings[$i - 2]}; fi
        set_site "${DOWNLOAD_PARTITION:-$PARTITION}" "" "$DOWNLOAD_CPUS" "$DOWNLOAD_MEMORY" "$DOWNLOAD_TIME"
        submit_job "download-$task" ${dependency:+"--dependency=$dependency"} --array="$i" \
            "$root/scripts/slurm/download.sbatch"
        downloads+=("$job")
        jobs+=("$job")
        read -r -a numbers <<<"${embed_task[$task]}"
        submit_arrays "-$task" "afterany:$job" "${numbers[@]}"
        embeddings+=("$embedding")
    done
}

if [ -n "$DOWNLOAD" ]; then
    submit_with_downloads
elif [ ${#embed[@]} -gt 0 ]; then
    submit_arrays '' '' "${embed[@]}"
fi
if [ ${#predict_now[@]} -gt 0 ]; then
    set_site "${PREDICT_PARTITION:-$PARTITION}" "$PREDICT_GPU" "$PREDICT_CPUS" "$PREDICT_MEMORY" "$PREDICT_TIME"
    submit_job predict --array="$(as_array "${predict_now[@]}")" "$root/scripts/slurm/predict.sbatch"
    jobs+=("$job")
fi
set_site "${REPORT_PARTITION:-$PARTITION}" "" "$REPORT_CPUS" "$REPORT_MEMORY" "$REPORT_TIME"
output_pattern=%j.log
dependency=()
if [ ${#jobs[@]} -gt 0 ]; then dependency=(--dependency="afterany:$(IFS=:; printf '%s' "${jobs[*]}")"); fi
submit_job report "${dependency[@]}" "$root/scripts/slurm/report.sbatch"

if [ "$dry_run" = yes ]; then
    printf 'dry run: nothing was submitted\n'
else
    printf '%s\n' "${submitted[@]}" >"$folder/submitted"
    printf 'the report will be in %s/report; scripts/slurm/status.sh shows how far it is\n' "$OUT"
fi
