#!/usr/bin/env bash
# A Slurm cluster of one node on this machine, with two made-up GPUs, for tests. Needs root, slurmctld, slurmd, munged.
#
#   tests/slurm_cluster.sh start FOLDER      FOLDER: with a short path, new; prints the path of slurm.conf
#   tests/slurm_cluster.sh stop FOLDER
set -euo pipefail

fail() {
    printf 'slurm_cluster: %s\n' "$*" >&2
    for log in "$folder"/*.log; do tail -n 15 "$log" >&2 || true; done
    exit 1
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

write_configuration() {
    local node
    node=$(hostname -s)
    touch "$folder/card0" "$folder/card1"
    printf 'Name=gpu File=%s/card[0-1]\n' "$folder" >"$folder/gres.conf"
    printf 'CgroupAutomount=no\n' >"$folder/cgroup.conf"
    cat >"$folder/slurm.conf" <<EOF
ClusterName=test
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=200000,bf_interval=1
KillWait=10
ReturnToService=2
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName=$node NodeAddr=127.0.0.1 CPUs=4 RealMemory=4000 Gres=gpu:2 State=UNKNOWN
PartitionName=test Nodes=$node Default=YES MaxTime=INFINITE State=UP
EOF
}

start() {
    mkdir -p "$folder/state" "$folder/spool"
    chmod 755 "$folder"
    dd if=/dev/urandom of="$folder/munge.key" bs=128 count=1 status=none
    chmod 600 "$folder/munge.key"
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munge.pid" \
        --log-file="$folder/munge.log" --seed-file="$folder/munge.seed" || fail "munged did not start"
    write_configuration
    export SLURM_CONF=$folder/slurm.conf
    slurmctld || fail "slurmctld did not start"
    slurmd || fail "slurmd did not start"
    local daemon
    until [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ]; do
        for daemon in slurmctld slurmd; do
            # A daemon may write its number after the command that started it has ended.
            [ ! -s "$folder/$daemon.pid" ] || kill -0 "$(cat "$folder/$daemon.pid")" || fail "$daemon has ended"
        done
        sleep 0.5
    done
    printf '%s\n' "$SLURM_CONF"
}

stop() {
    local daemon pid
    for daemon in slurmd slurmctld munge; do
        [ -f "$folder/$daemon.pid" ] || continue
        pid=$(cat "$folder/$daemon.pid")
        kill "$pid" 2>/dev/null || continue
        while kill -0 "$pid" 2>/dev/null; do
            sleep 0.1
        done
    done
}

[ $# = 2 ] || { printf 'usage: %s start|stop FOLDER\n' "$0" >&2; exit 2; }
folder=$2
case $1 in
    start) start ;;
    stop) stop ;;
    *) fail "expected start or stop, got $1" ;;
esac
