#!/usr/bin/env bash
# A Slurm cluster of one node on this machine, for tests: real daemons of Debian's packages, two GPUs that are only declared.
#
#   one_node.sh up DIR [CPUS]    starts it; everything it writes lies in DIR, but for three links in /etc/slurm
#   one_node.sh down DIR         stops it and takes the links away
#   one_node.sh crash DIR        ends the node and all that runs on it at once, as a power cut would
#   one_node.sh mend DIR         starts the node again
#
# It needs root, listens on 127.0.0.1 alone, and leaves a machine that has a Slurm of its own untouched.
set -euo pipefail

usage() { sed -n '2,10s/^# \?//p' "$0" >&2; exit 2; }
refuse() { echo "one_node.sh: $*" >&2; exit 1; }

export PATH="$PATH:/usr/sbin" # where the daemons lie
[ $# -ge 2 ] || usage
command=$1
folder=$(realpath -m -- "$2")
cpus=${3:-$(nproc)}
files=(slurm.conf gres.conf cgroup.conf)
packages=(slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge)

# The configuration must be found in /etc/slurm: the executor drops SLURM_CONF from the environment of a job.
is_ours() { [ "$(readlink "/etc/slurm/$1" 2>/dev/null)" = "$folder/$1" ]; }

check() {
  [ "$(id -u)" = 0 ] || refuse "starting the daemons of Slurm needs root"
  local missing=()
  for program in slurmctld slurmd sbatch srun munged; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  [ ${#missing[@]} = 0 ] || refuse "no ${missing[*]} here; apt-get install --no-install-recommends ${packages[*]}"
  [ -z "${SLURM_CONF:-}" ] || refuse "SLURM_CONF is set: this machine has a Slurm of its own"
  for file in "${files[@]}"; do
    [ ! -e "/etc/slurm/$file" ] && [ ! -L "/etc/slurm/$file" ] && continue
    refuse "/etc/slurm/$file is there already ($(readlink -f "/etc/slurm/$file")): a Slurm of this machine's own," \
      "or one of this script that was not taken down with: $0 down $(dirname "$(readlink -f "/etc/slurm/$file")")"
  done
}

configure() {
  local host
  host=$(hostname -s)
  mkdir -p "$folder"/{state,spool,log,run,dev} /etc/slurm
  chmod 755 "$folder"
  # A GPU without a device file drains the node, so each has one: a copy of the null device.
  for gpu in 0 1; do
    [ -e "$folder/dev/gpu$gpu" ] || mknod "$folder/dev/gpu$gpu" c 1 3
  done
  echo "NodeName=$host Name=gpu Type=fake File=$folder/dev/gpu[0-1]" >"$folder/gres.conf"
  echo "CgroupAutomount=no" >"$folder/cgroup.conf"
  cat >"$folder/slurm.conf" <<CONF
ClusterName=one_node
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# How long a job that was requeued waits before it starts again; with 120 s, the default, tests would.
AuthInfo=cred_expire=20
CredType=cred/munge

# Nothing is reachable from outside, and a Slurm of this machine's own would listen elsewhere.
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPort=16817
SlurmdPort=16818

# A container may have no control groups: processes are found through /proc, and who takes too much memory is killed.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill

# What a plain installation has: no accounting, finished jobs stay in the queue for five minutes.
AccountingStorageType=accounting_storage/none
MinJobAge=300
MpiDefault=none

# The node may declare more processors and memory than the machine has, so that several jobs run at once.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu

# Quick decisions, for tests; a node that was set down comes back by itself.
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=0,batch_sched_delay=0
ReturnToService=2
KillWait=10

SlurmctldPidFile=$folder/run/slurmctld.pidfile
SlurmdPidFile=$folder/run/slurmd.pidfile
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool

NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=64000 Feature=local Gres=gpu:fake:2 State=UNKNOWN
PartitionName=cpu Nodes=$host Default=YES MaxTime=1-00:00:00 State=UP
PartitionName=gpu Nodes=$host MaxTime=1-00:00:00 State=UP
CONF
  for file in "${files[@]}"; do ln -s "$folder/$file" "/etc/slurm/$file"; done
}

# Runs a daemon in the foreground of a session of its own, so that its process id is known and no terminal ends it.
start() {
  local name=$1
  shift
  setsid "$@" >"$folder/log/$name.out" 2>&1 </dev/null &
  echo $! >"$folder/run/$name.pid"
}

start_munge() {
  if munge -n >/dev/null 2>&1; then return; fi # this machine's own, started when the package was installed
  mkdir -p /run/munge
  chmod 755 /run/munge
  (umask 077 && head -c 128 /dev/urandom >"$folder/run/munge.key")
  start munged munged --foreground --force --key-file="$folder/run/munge.key" --pid-file="$folder/run/munged.pidfile" \
    --log-file="$folder/log/munged.log" --seed-file="$folder/run/munged.seed"
  for _ in $(seq 50); do
    if munge -n >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  refuse "munged does not answer: $(tail -n 5 "$folder/log/munged.out" "$folder/log/munged.log" 2>&1)"
}

up() {
  check
  trap down EXIT # whatever fails from here on leaves nothing behind
  configure
  start_munge
  start slurmctld slurmctld -D -i
  start slurmd slurmd -D
  for _ in $(seq 300); do
    if [ "$(sinfo -h -p cpu -o %T 2>/dev/null)" = idle ]; then
      trap - EXIT
      sinfo -N -o '%N %P %T %c %m %G'
      return
    fi
    sleep 0.1
  done
  tail -n 20 "$folder"/log/*.log >&2
  refuse "the node did not become idle in 30 seconds"
}

down() {
  if is_ours slurm.conf; then
    scancel --full --state=RUNNING 2>/dev/null || true # the processes of a job outlive their daemon
    scancel --user=root 2>/dev/null || true
    for _ in $(seq 150); do
      [ -n "$(squeue -h -t RUNNING,COMPLETING 2>/dev/null)" ] || break
      sleep 0.1
    done
  fi
  for name in slurmd slurmctld munged; do stop "$name"; done
  if is_ours slurm.conf; then kill_steps; fi # a step waits long for a controller that has gone
  # With a configuration but no controller, every command of Snakemake would wait for ten seconds.
  for file in "${files[@]}"; do
    if is_ours "$file"; then rm -f "/etc/slurm/$file"; fi
  done
}

# The controller would find out after minutes that the node does not answer; it is told at once.
crash() {
  kill_steps
  kill -KILL "$(cat "$folder/run/slurmd.pid")"
  kill_steps # what began meanwhile
  scontrol update NodeName="$(hostname -s)" State=DOWN Reason=crash
}

kill_session() { pkill -KILL -s "${1// /}" || true; } # a step, with all that it started

# All steps, and what is left of this cluster's jobs, by its environment: what a step started may be in another session.
kill_steps() {
  local daemon process
  for daemon in $(pgrep -x slurmstepd); do kill_session "$(ps -o sid= -p "$daemon")"; done
  for process in $(grep -lz '^SLURM_CLUSTER_NAME=one_node$' /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3); do
    kill -KILL "$process" 2>/dev/null || true
  done
}

mend() {
  start slurmd slurmd -D
  scontrol update NodeName="$(hostname -s)" State=RESUME
}

stop() {
  local pid
  pid=$(cat "$folder/run/$1.pid" 2>/dev/null) || return 0
  rm -f "$folder/run/$1.pid"
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] || return 0 # another process may have got the number since
  kill "$pid"
  for _ in $(seq 100); do
    [ -e "/proc/$pid" ] || return 0
    sleep 0.1
  done
  kill -KILL "$pid"
}

case $command in
  up) up ;;
  down) down ;;
  crash) crash ;;
  mend) mend ;;
  *) usage ;;
esac
