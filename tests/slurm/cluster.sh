#!/usr/bin/env bash
# A real Slurm of one node, for tests: everything it writes lies in one folder, nothing is installed.
#
#   cluster.sh install        packages of Debian or Ubuntu, as root
#   cluster.sh start FOLDER   prints the lines that a shell must set to use it
#   cluster.sh stop FOLDER
#
# Needs munged, slurmctld, slurmd and the commands of slurm-client, and root.
set -euo pipefail

die() {
  echo "cluster.sh: $*" >&2
  exit 1
}

install_packages() {
  [ "$(id -u)" = 0 ] || die "only root can install packages"
  command -v apt-get >/dev/null || die "there is no apt-get here"
  export DEBIAN_FRONTEND=noninteractive
  # Lists that are there already may do.
  apt-get update || true
  apt-get install -y --no-install-recommends \
    slurmctld slurmd slurm-client munge
}

# Two ports that nobody listens on.
free_ports() {
  local port found=0
  for port in $(shuf -i 20000-60000 -n 50); do
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      found=$((found + 1))
      [ "$found" = 2 ] && return
    fi
  done
  die "no free ports"
}

write_configuration() {
  local folder="$1" host ports
  host="$(hostname -s)"
  mapfile -t ports < <(free_ports)
  mkdir -p "$folder"/{state,spool,log}
  cat >"$folder/slurm.conf" <<EOF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CryptoType=crypto/munge
SlurmctldPort=${ports[0]}
SlurmdPort=${ports[1]}
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
# No cgroups: containers rarely allow them.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
# Whatever is waiting starts at once.
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
MinJobAge=300
KillWait=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=test Nodes=$host Default=YES MaxTime=INFINITE State=UP
EOF
}

start() {
  local folder="$1" waited
  [ "$(id -u)" = 0 ] || die "Slurm's daemons are started by root"
  for program in munged slurmctld slurmd sbatch squeue scancel; do
    command -v "$program" >/dev/null || die "$program is not installed: run $0 install"
  done
  mkdir -p "$folder"
  folder="$(cd "$folder" && pwd)"
  write_configuration "$folder"
  export SLURM_CONF="$folder/slurm.conf"
  head -c 1024 /dev/urandom >"$folder/munge.key"
  chmod 600 "$folder/munge.key"
  # --force: the folder belongs to root, not to a user of munge's own.
  munged --force --socket="$folder/munge.socket" --key-file="$folder/munge.key" \
    --pid-file="$folder/munged.pid" --seed-file="$folder/munge.seed" \
    --log-file="$folder/log/munged.log" >&2
  slurmctld -c >&2
  slurmd >&2
  for waited in $(seq 150); do
    if sinfo --noheader --format=%T 2>/dev/null | grep -q '^idle'; then
      echo "export SLURM_CONF=$SLURM_CONF"
      return
    fi
    sleep 0.2
  done
  tail -n 20 "$folder"/log/*.log >&2
  stop "$folder"
  die "the node is not ready after 30 s"
}

stop() {
  local folder="$1" daemon pid
  for daemon in slurmd slurmctld munged; do
    [ -s "$folder/$daemon.pid" ] || continue
    pid="$(cat "$folder/$daemon.pid")"
    # A number that is someone else's by now is left alone.
    grep -q "$daemon" "/proc/$pid/comm" 2>/dev/null || continue
    kill "$pid"
    for _ in $(seq 50); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
  done
}

case "${1:-}" in
  install) install_packages ;;
  start) start "${2:?folder}" ;;
  stop) stop "${2:?folder}" ;;
  *) die "expected install, start FOLDER or stop FOLDER" ;;
esac
