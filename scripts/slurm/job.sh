# One job of an array: one phase, of one model and one task; for embed.sbatch and predict.sbatch, which source it.
#
# shellcheck shell=bash disable=SC2154
# (run_options is set by read_config.sh)

# run_job PHASE GPU FOLDER: GPU is what asks for a card, if anything does; FOLDER holds the plan, a job a line.
run_job() {
    local phase=$1 gpu=$2 folder=$3 model task options
    IFS=$'\t' read -r model task _ < <(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" "$folder/plan") || true
    [ -n "$task" ] || fail "$folder/plan: no line for job $SLURM_ARRAY_TASK_ID"
    options=(--from-phase "$phase" --to-phase "$phase" --devices 1)
    if [ -n "$gpu" ] && [ "$REQUIRE_GPU" = yes ]; then options+=(--require-gpu); fi
    if [ -n "$MEMORY_FRACTION" ]; then options+=(--memory-fraction "$MEMORY_FRACTION"); fi
    if [ -n "$PREDICTOR" ]; then options+=(--predictor "$PREDICTOR"); fi
    if [ -z "$gpu" ]; then
        # A node that does not hide the cards of other jobs has this one see none all the same.
        export CUDA_VISIBLE_DEVICES='' JAX_PLATFORMS=cpu
    fi
    printf '%s: job %s, %s, %s\n' "$phase" "$SLURM_ARRAY_TASK_ID" "$model" "$task"
    # In the place of the batch script, so that Slurm's signals reach it.
    exec python -m hear_tasks.reproduce "${run_options[@]}" --only "$model" --task "$task" "${options[@]}"
}
