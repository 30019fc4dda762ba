# Help for the other scripts, which source it, and wrong arguments told before the set-up.
#
# shellcheck shell=bash disable=SC2154
# (root is set by the script that sources this)

# show_help ARGUMENTS...: where --help is among them, print the comment at the head of the script, and end it.
show_help() {
    local argument
    for argument in "$@"; do
        case $argument in
            -h | --help)
                sed -n '2,${/^[^#]/q;/shellcheck/q;s/^# \{0,1\}//p}' "$0"
                exit 0
                ;;
        esac
    done
}

# check_arguments MODULE ARGUMENTS...: have the parser of a Python module look at them, which prints its own --help; end
# the script where there is something to tell. Any Python will do, for nothing is installed yet.
check_arguments() {
    local python status=0
    python=$("$root/scripts/setup.sh" --python)
    PYTHONPATH=$root "$python" - "$@" <<'CODE' || status=$?
import importlib, sys

parser = importlib.import_module(sys.argv[1]).make_parser()
try:
    parser.parse_args(sys.argv[2:])
except SystemExit as end:
    sys.exit(end.code or 3)  # after --help
CODE
    case $status in
        0) ;;
        3) exit 0 ;;
        *) exit "$status" ;;
    esac
}
