# Reads the configuration file of a run; for the other scripts here, which source it and name their checkout `root`.
#
# shellcheck shell=bash disable=SC2034,SC2154
# (the keys are for the scripts that source this, and are set by name)

config_keys=(
    CHECKPOINTS TASKS_DIR OUT STAGE TABLE MODULE MODEL_FILE MODEL_OPTIONS PYTHON TASKS PROTOCOL GRID GRID_POINTS
    PREDICTOR SEEDS
    ACTIVATE ACCOUNT PARTITION PREDICT_PARTITION REPORT_PARTITION SBATCH_OPTIONS MAX_RUNNING
    EMBED_GPU EMBED_CPUS EMBED_MEMORY EMBED_TIME
    PREDICT_GPU PREDICT_CPUS PREDICT_MEMORY PREDICT_TIME
    REPORT_CPUS REPORT_MEMORY REPORT_TIME
    DOWNLOAD MIRROR KEEP_ARCHIVES RATES DOWNLOAD_PARTITION DOWNLOAD_CPUS DOWNLOAD_MEMORY DOWNLOAD_TIME
    REQUIRE_GPU MEMORY_FRACTION
)

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Raise what is wrong with the form of a configuration file, before any line of it is run.
check_config_lines() {
    local file=$1 line key number=0
    local assignment='^([A-Za-z_][A-Za-z_0-9]*)=(.*)$'
    local value="^([^][:space:]\"';&|<>()]|\"[^\"]*\"|'[^']*')*([[:space:]]+(#.*)?)?\$"
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        line=${line%$'\r'}
        if [[ $line =~ ^[[:space:]]*(#.*)?$ ]]; then continue; fi
        [[ $line =~ $assignment ]] || fail "$file:$number: expected KEY=VALUE, without spaces around =, got: $line"
        key=${BASH_REMATCH[1]}
        [[ " ${config_keys[*]} " == *" $key "* ]] || fail "$file:$number: unknown key $key; the keys are ${config_keys[*]}"
        [[ ${BASH_REMATCH[2]} =~ $value ]] || fail "$file:$number: a value with spaces or signs of the shell needs quotes: $line"
    done <"$file"
}

# Set the keys to what the file says, and to their defaults.
read_config() {
    local file=$1 key
    [ -f "$file" ] || fail "$file: no such configuration file; copy $root/scripts/slurm/config.example and fill it in"
    check_config_lines "$file"
    for key in "${config_keys[@]}"; do printf -v "$key" '%s' ''; done
    # shellcheck disable=SC1090
    . <(tr -d '\r' <"$file") || fail "$file: bash cannot read it"
    # lists may have several lines, as "$(cat FILE)" gives
    for key in SBATCH_OPTIONS EMBED_GPU PREDICT_GPU; do printf -v "$key" '%s' "${!key//$'\n'/ }"; done
    : "${EMBED_CPUS:=8}" "${EMBED_MEMORY:=32G}" "${EMBED_TIME:=12:00:00}"
    : "${DOWNLOAD_CPUS:=4}" "${DOWNLOAD_MEMORY:=8G}" "${DOWNLOAD_TIME:=12:00:00}"
    : "${PREDICT_CPUS:=8}" "${PREDICT_MEMORY:=48G}" "${PREDICT_TIME:=1-00:00:00}"
    : "${REPORT_CPUS:=1}" "${REPORT_MEMORY:=4G}" "${REPORT_TIME:=00:30:00}" "${REQUIRE_GPU:=yes}"
    if [ -n "$MODULE" ]; then
        [ -z "$CHECKPOINTS" ] || fail "$file: expected one of CHECKPOINTS and MODULE, got both"
    else
        [ -n "$CHECKPOINTS" ] || fail "$file: CHECKPOINTS is missing"
        [ -z "$MODEL_FILE$MODEL_OPTIONS$PYTHON" ] || fail "$file: MODEL_FILE, MODEL_OPTIONS and PYTHON need MODULE"
    fi
    case $TABLE in '' | yes | no) ;; *) fail "$file: TABLE: expected yes or no, got $TABLE" ;; esac
    for key in TASKS_DIR OUT; do
        [ -n "${!key}" ] || fail "$file: $key is missing"
    done
    case $PREDICTOR in '' | own | heareval) ;; *) fail "$file: PREDICTOR: expected own or heareval, got $PREDICTOR" ;; esac
    case $SEEDS in '' | heareval | independent) ;; *) fail "$file: SEEDS: expected heareval or independent, got $SEEDS" ;; esac
    [ "$PREDICTOR $SEEDS" != 'heareval independent' ] || fail "$file: SEEDS=independent needs PREDICTOR=own"
    case $REQUIRE_GPU in yes | no) ;; *) fail "$file: REQUIRE_GPU: expected yes or no, got $REQUIRE_GPU" ;; esac
    for key in EMBED_GPU PREDICT_GPU; do
        if [[ " ${!key} " =~ [=:\ ]0+\  || ${!key} =~ ^-G\ *0+$ ]]; then
            fail "$file: $key=${!key} asks for no card; leave $key empty to use CPUs"
        fi
    done
    for key in DOWNLOAD KEEP_ARCHIVES; do
        case ${!key} in
            1 | yes) printf -v "$key" '%s' yes ;;
            '' | 0 | no) printf -v "$key" '%s' '' ;;
            *) fail "$file: $key: expected 1 or 0, got ${!key}" ;;
        esac
    done
    [ -n "$DOWNLOAD" ] || [ -z "$MIRROR$KEEP_ARCHIVES$RATES" ] || fail "$file: MIRROR, KEEP_ARCHIVES and RATES need DOWNLOAD=1"
    for key in DOWNLOAD_CPUS EMBED_CPUS PREDICT_CPUS REPORT_CPUS; do
        [[ ${!key} =~ ^[1-9][0-9]*$ ]] || fail "$file: $key: expected a number of CPUs, got ${!key}"
    done
    [[ $MAX_RUNNING =~ ^([1-9][0-9]*)?$ ]] || fail "$file: MAX_RUNNING: expected a number of jobs, got $MAX_RUNNING"
    case $CHECKPOINTS in
        '' | random | random-tiny) ;;
        *) [ -n "$DOWNLOAD" ] || [ -d "$CHECKPOINTS" ] || fail "$file: CHECKPOINTS=$CHECKPOINTS: no such folder" ;;
    esac
    [ -n "$DOWNLOAD" ] || [ -d "$TASKS_DIR" ] || fail "$file: TASKS_DIR=$TASKS_DIR: no such folder"
    OUT=$(realpath -m -- "$OUT")
}

# Make `python` the one of the environment.
activate() {
    if [ -z "$ACTIVATE" ]; then
        [ -x "$root/.venv/bin/python" ] || fail "no $root/.venv: run scripts/setup.sh first, or set ACTIVATE"
        PATH=$root/.venv/bin:$PATH
        return
    fi
    set +eu
    eval "$ACTIVATE" || fail "ACTIVATE failed: $ACTIVATE"
    set -eu
    command -v python >/dev/null || fail "ACTIVATE gives no command python: $ACTIVATE"
}

# Set `run_options` to the options that say what the run is, `selection` to those that choose a stage and tasks, and
# `fetch_options` to those that say what of it is fetched, for all that looks at tasks which may not be there yet.
set_options() {
    local task tasks
    run_options=(--tasks-dir "$TASKS_DIR" --out "$OUT")
    if [ -n "$CHECKPOINTS" ]; then run_options+=(--checkpoints "$CHECKPOINTS"); fi
    if [ "$TABLE" = yes ]; then run_options+=(--table); fi
    if [ -n "$MODULE" ]; then run_options+=(--module "$MODULE"); fi
    if [ -n "$MODEL_FILE" ]; then run_options+=(--model "$MODEL_FILE"); fi
    if [ -n "$MODEL_OPTIONS" ]; then run_options+=(--model-options "$MODEL_OPTIONS"); fi
    if [ -n "$PYTHON" ]; then run_options+=(--python "$PYTHON"); fi
    if [ -n "$PROTOCOL" ]; then run_options+=(--protocol "$PROTOCOL"); fi
    if [ -n "$GRID" ]; then run_options+=(--grid "$GRID"); fi
    if [ -n "$GRID_POINTS" ]; then run_options+=(--grid-points "$GRID_POINTS"); fi
    if [ -n "$SEEDS" ]; then run_options+=(--seeds "$SEEDS"); fi
    fetch_options=()
    if [ -n "$DOWNLOAD" ]; then fetch_options+=(--download); fi
    if [ -n "$MIRROR" ]; then fetch_options+=(--mirror "$MIRROR"); fi
    if [ -n "$KEEP_ARCHIVES" ]; then fetch_options+=(--keep-archives); fi
    if [ -n "$RATES" ]; then fetch_options+=(--rates "$RATES"); fi
    selection=()
    if [ -n "$STAGE" ]; then selection+=(--stage "$STAGE"); fi
    # shellcheck disable=SC2153
    IFS=$',\n' read -r -d '' -a tasks <<<"$TASKS" || true # it reads to the end, which it calls a failure
    for task in "${tasks[@]}"; do
        task=${task#"${task%%[![:space:]]*}"}
        selection+=(--task "${task%"${task##*[![:space:]]}"}")
    done
}
