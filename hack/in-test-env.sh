#!/usr/bin/env bash
# Runs a command in an environment of its own, in which podman, crun and ucrun work and from which nothing escapes.
#
# The environment is a set of namespaces: processes, mounts, network and cgroups. So two of them never meet, the host's
# podman, firewall and ports stay as they are, and whatever the command leaves behind ends with the namespaces. To leave
# something behind is a fault all the same: it is listed, and makes a successful command's exit status 1.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: hack/in-test-env.sh [--] COMMAND [ARGUMENT]...

Runs COMMAND as root with podman, crun and ucrun set up for it. Within such an environment it just runs COMMAND.

  UCRUN           the runtime that podman knows as "ucrun" (default: dist/ucrun)
  UCRUN_REGISTRY  the directory of named unikernels (default: build/registry)
TEXT
}

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
self=$repository/hack/in-test-env.sh
stage=${1:-}

# ---------------------------------------------------------------------------------------------------------------------
# Outside: make cgroups, start the rest in namespaces, remove the cgroups.

# Prints the mount point of each cgroup hierarchy: the one of v2, or those of v1 and, of a hybrid host, the v2 beside them.
cgroup_mounts() {
  findmnt --noheadings --raw --output TARGET --types cgroup,cgroup2 | awk '
    $0 == "/sys/fs/cgroup" { print; exit }
    index($0, "/sys/fs/cgroup/") == 1'
}

make_cgroups() {
  local file
  for mount in "${cgroup_mounts[@]}"; do
    mkdir -p "$mount/$cgroup_name"
    # A new v1 cpuset has neither CPUs nor memory, and accepts no process until it has.
    for file in cpuset.cpus cpuset.mems; do
      if [ "$mount" != /sys/fs/cgroup ] && [ -e "$mount/$file" ]; then
        cat "$mount/$file" >"$mount/$cgroup_name/$file"
      fi
    done
  done
}

# shellcheck disable=SC2317 # a trap calls it
# Processes that were killed leave their cgroup a moment later than they leave the process table.
remove_cgroups() {
  local attempt
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    remove_cgroup_trees "$cgroup_name" 2>/dev/null && return 0
    sleep "0.$attempt"
  done
  printf 'in-test-env: cannot remove the cgroup %s\n' "$cgroup_name" >&2
  return 1
}

remove_cgroup_trees() {
  local mount failed=0
  for mount in "${cgroup_mounts[@]}"; do
    [ ! -d "$mount/$1" ] || find "$mount/$1" -depth -type d -exec rmdir {} + || failed=1
  done
  return "$failed"
}

# An environment whose script was killed could not remove its cgroups; a cgroup with processes cannot be removed by mistake.
remove_stale_cgroups() {
  local directory pid
  for directory in "${cgroup_mounts[0]}"/ucrun-env-*; do
    pid=${directory##*-}
    [ ! -d "$directory" ] || [ -d "/proc/$pid" ] || remove_cgroup_trees "ucrun-env-$pid" 2>/dev/null || true
  done
}

run_outside() {
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo 'in-test-env: this needs root or sudo' >&2; exit 1; }
    exec sudo env "PATH=$PATH" ${UCRUN:+"UCRUN=$UCRUN"} ${UCRUN_REGISTRY:+"UCRUN_REGISTRY=$UCRUN_REGISTRY"} "$self" "$@"
  fi
  local status=0 child
  cgroup_name=ucrun-env-$$
  mapfile -t cgroup_mounts < <(cgroup_mounts)
  [ ${#cgroup_mounts[@]} -gt 0 ] || { echo 'in-test-env: no cgroups are mounted at /sys/fs/cgroup' >&2; exit 1; }
  remove_stale_cgroups
  trap remove_cgroups EXIT
  make_cgroups

  # Bash gives a background process no input and makes it deaf to SIGINT: both are undone. It is in the background because
  # only then this shell sees a signal at once. Should this shell be killed, the environment goes down with it.
  UCRUN_ENV_CGROUP=$cgroup_name setpriv --pdeathsig KILL env --default-signal=INT,QUIT "$self" @cgroup "${cgroup_mounts[@]}" -- "$@" <&0 &
  child=$!
  trap : INT # the command has got it, too
  trap 'kill -KILL "$child" 2>/dev/null || true' TERM HUP
  while [ -d "/proc/$child" ]; do
    wait "$child" || true # which ends early when a signal comes
  done
  wait "$child" || status=$?
  exit "$status"
}

# ---------------------------------------------------------------------------------------------------------------------
# Between: the cgroup namespace's root is the cgroup that the process is in when it makes the namespace. Then it moves
# on into a leaf, as a v2 cgroup with processes of its own cannot give its controllers to others.

run_between() {
  shift
  local mounts=() mount
  while [ "$1" != -- ]; do
    mounts+=("$1")
    shift
  done
  for mount in "${mounts[@]}"; do
    echo $$ >"$mount/$UCRUN_ENV_CGROUP/cgroup.procs"
  done
  exec unshare --cgroup "$self" @leaf "${mounts[@]}" "$@"
}

run_leaf() {
  shift
  local mounts=()
  while [ "$1" != -- ]; do
    mounts+=("$1")
    shift
  done
  if [ "${mounts[0]}" = /sys/fs/cgroup ]; then
    mkdir "/sys/fs/cgroup/$UCRUN_ENV_CGROUP/supervisor"
    echo $$ >"/sys/fs/cgroup/$UCRUN_ENV_CGROUP/supervisor/cgroup.procs"
  fi
  exec unshare --pid --fork --kill-child=KILL --mount --propagation private --net --mount-proc "$self" @inside "${mounts[@]}" "$@"
}

# ---------------------------------------------------------------------------------------------------------------------
# Inside: process 1 of the environment.

home=/run/ucrun-env

# The environment's cgroup of v2, for those who boot a systemd in it. On a hybrid host it has no part in limits, and it is not
# where crun would look: crun refuses to work when the v2 tree owns a controller that nobody mounted.
mount_cgroup2() {
  mkdir -p "$home/cgroup2"
  if [ "$1" = /sys/fs/cgroup ]; then
    mount --bind /sys/fs/cgroup "$home/cgroup2"
  else
    mount -t cgroup2 cgroup2 "$home/cgroup2" || rmdir "$home/cgroup2"
  fi
}

mount_cgroups() {
  local mount name controllers
  if [ "$1" = /sys/fs/cgroup ]; then
    mount --bind "/sys/fs/cgroup/$UCRUN_ENV_CGROUP" /sys/fs/cgroup
    return
  fi
  # The controllers are asked for before the host's view of them is covered.
  declare -A options
  for mount in "$@"; do
    [ "$mount" != /sys/fs/cgroup/unified ] || continue
    controllers=$(findmnt --noheadings --raw --output FS-OPTIONS --mountpoint "$mount" | tail -1)
    options[$mount]=$(tr ',' '\n' <<<"$controllers" | grep -vxE 'r[wo]|xattr|clone_children|release_agent=.*' | paste -sd,)
  done
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  for mount in "$@"; do
    [ "$mount" != /sys/fs/cgroup/unified ] || continue
    mkdir "$mount"
    mount -t cgroup -o "${options[$mount]}" cgroup "$mount"
    for name in ${options[$mount]//,/ }; do
      case $name in
        name=*) ;;
        *) [ -e "/sys/fs/cgroup/$name" ] || ln -s "${mount##*/}" "/sys/fs/cgroup/$name" ;;
      esac
    done
  done
  # A controller that another environment has mounted appears in /proc/self/cgroup; crun would make up a directory for it.
  mount -o remount,ro tmpfs /sys/fs/cgroup
}

# Everything that podman, crun, netavark and ucrun keep between their calls is in /run, /dev/shm or where we say.
mount_private_directories() {
  local resolver='' target
  target=$(readlink -f /etc/resolv.conf || true)
  case $target in /run/*) resolver=$(cat "$target" 2>/dev/null || true) ;; esac
  mount -t tmpfs -o mode=755 tmpfs /run
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm
  if [ -n "$resolver" ]; then
    mkdir -p "$(dirname "$target")"
    printf '%s\n' "$resolver" >"$target"
  fi
  mkdir -p /run/lock "$home"/{tmp,storage,networks,machines} /var/lib/ucrun/machines
  chmod 1777 "$home/tmp" /run/lock
  # Those that the host has are none of a test's.
  chmod 711 "$home/machines"
  mount --bind "$home/machines" /var/lib/ucrun/machines
  # The homes of users: in its network namespace rootless podman sees nothing of what was in /run.
  [ ! -d /var/local ] || mount -t tmpfs -o mode=755 tmpfs /var/local
  # Where udev runs, every user may open it.
  if [ -c /dev/net/tun ]; then
    mknod --mode=666 "$home/tun" c 10 200
    mount --bind "$home/tun" /dev/net/tun
  fi
}

overlay_works() {
  local directory=$home/tmp/overlay works=true
  mkdir -p "$directory"/{lower,upper,work,merged}
  mount -t overlay -o "lowerdir=$directory/lower,upperdir=$directory/upper,workdir=$directory/work" overlay "$directory/merged" 2>/dev/null || works=false
  ! $works || umount "$directory/merged"
  rm -r "$directory"
  $works
}

has_capability() { # number
  local effective
  effective=$(awk '$1 == "CapEff:" { print $2 }' /proc/self/status)
  (((16#$effective >> $1) & 1))
}

# A limit above the one we have needs CAP_SYS_RESOURCE (24), and podman asks for more unless told otherwise.
ulimit_settings() {
  has_capability 24 || printf 'default_ulimits = ["nofile=%d:%d", "nproc=%d:%d"]\n' 1024 "$(ulimit -Hn)" 10000 10000
}

pids_settings() {
  if [ -e /sys/fs/cgroup/cgroup.controllers ] && ! grep -qw pids /sys/fs/cgroup/cgroup.controllers; then
    echo 'pids_limit = 0'
  fi
}

network_settings() {
  local directory
  for directory in /usr/lib/podman /usr/libexec/podman /usr/local/libexec/podman; do
    if [ -x "$directory/netavark" ]; then
      echo 'network_backend = "netavark"'
      return
    fi
  done
}

write_settings() {
  local driver=vfs
  ! overlay_works || driver=overlay
  cat >"$home/storage.conf" <<TOML
[storage]
driver = "$driver"
graphroot = "$home/storage"
runroot = "/run/containers/storage"
TOML
  cat >"$home/containers.conf" <<TOML
[containers]
log_driver = "k8s-file"
$(ulimit_settings)
$(pids_settings)
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
hooks_dir = []
runtime = "crun"
runtime_supports_json = ["crun", "runc", "ucrun"]
runtime_supports_kvm = ["ucrun"]
runtime_supports_nocgroup = ["crun", "ucrun"]
static_dir = "$home/storage/libpod"
tmp_dir = "/run/libpod"
volume_path = "$home/storage/volumes"
[engine.runtimes]
ucrun = ["$UCRUN"]
[network]
$(network_settings)
network_config_dir = "$home/networks"
TOML
  # An engine does not hand its environment down, so ucrun has to find its configuration at its usual place.
  cp -a /etc "$home/etc"
  mkdir -p "$home/etc/ucrun"
  cat >"$home/etc/ucrun/config.toml" <<TOML
registries = ["$UCRUN_REGISTRY"]
overlay_dir = "$home/overlays"
TOML
  mount --bind "$home/etc" /etc
}

# What there is of each kind that could be left behind, one thing a line.
inventory() {
  findmnt --noheadings --raw --output TARGET | sed 's/^/mount /'
  ip -oneline link | awk -F': ' '{ sub(/@.*/, "", $2); print "network link " $2 }'
  find /run/netns -mindepth 1 -printf 'network namespace %f\n' 2>/dev/null || true
  # Not counted is what podman itself keeps: the parent of all containers, conmon's and, under v1, those of former pods.
  find /sys/fs/cgroup/ "$home/cgroup2/" -mindepth 1 -type d -printf 'cgroup %P\n' 2>/dev/null | grep -vE '[/ ]libpod_parent(/conmon|/[0-9a-f]{64})?$' || true
  find /run/crun -mindepth 1 -maxdepth 1 -printf 'state of crun: %f\n' 2>/dev/null || true
  find /run/ucrun -mindepth 1 ! -name kvm-proof.json ! -name crun-version -printf 'state of ucrun: %P\n' 2>/dev/null || true
  find "$home/overlays" -mindepth 1 -printf 'overlay of ucrun: %P\n' 2>/dev/null || true
  find "$home/machines" -mindepth 1 -maxdepth 1 -printf 'machine of ucrun: %f\n' 2>/dev/null || true
}

processes() {
  local directory pid
  for directory in /proc/[0-9]*; do
    pid=${directory#/proc/}
    # Zombies are process 1's to reap, which it does when it gets to it.
    if [ "$pid" -ne 1 ] && [ "$pid" -ne "$BASHPID" ] && grep -q '^State:.[^Z]' "$directory/status" 2>/dev/null; then
      printf 'process %d: %s\n' "$pid" "$(tr '\0' ' ' <"$directory/cmdline" 2>/dev/null)"
    fi
  done
}

remove_containers() {
  [ -n "$(find "$home/storage" -mindepth 1 -print -quit)" ] || return 0
  if [ -n "$(podman ps --all --quiet 2>/dev/null)" ]; then
    podman pod rm --all --force --time 0 >/dev/null 2>&1 || true
    podman rm --all --force --time 0 >/dev/null || true
  fi
  podman network prune --force >/dev/null || true
  # The layers' directory is bound to itself as long as podman's storage is in use.
  umount "$home/storage/overlay" 2>/dev/null || true
  umount /run/netns 2>/dev/null || true
}

run_inside() {
  shift
  local mounts=() status=0 left attempt
  while [ "$1" != -- ]; do
    mounts+=("$1")
    shift
  done
  shift
  mount_cgroups "${mounts[@]}"
  mount_private_directories
  mount_cgroup2 "${mounts[0]}"
  ip link set lo up
  write_settings

  unset "${!CONTAINER@}" "${!PODMAN@}" "${!STORAGE_@}" UCRUN_CONFIG UCRUN_ENV_CGROUP NOTIFY_SOCKET LISTEN_FDS LISTEN_PID LISTEN_FDNAMES
  export UCRUN UCRUN_REGISTRY UCRUN_TEST_ENV=1 TMPDIR=$home/tmp
  export CONTAINERS_CONF=$home/containers.conf CONTAINERS_STORAGE_CONF=$home/storage.conf
  # No systemd runs in here to time health checks, and no firewalld to be told of ports.
  export DISABLE_HC_SYSTEMD=true NETAVARK_FW=iptables

  inventory >"$home/before"
  "$@" || status=$?
  remove_containers
  for attempt in 1 2 3 4 5 6 7 8; do
    left=$({ inventory | grep -vxFf "$home/before"; processes; } || true)
    [ -n "$left" ] || break
    sleep "0.$attempt"
  done
  if [ -n "$left" ]; then
    printf 'in-test-env: the command left behind:\n%s\n' "$left" >&2
    [ "$status" -ne 0 ] || status=1
  fi
  exit "$status"
}

# ---------------------------------------------------------------------------------------------------------------------

case $stage in
  @cgroup) run_between "$@" ;;
  @leaf) run_leaf "$@" ;;
  @inside) run_inside "$@" ;;
  -h | --help) usage; exit 0 ;;
  --) shift ;;
esac
[ $# -gt 0 ] || { usage >&2; exit 2; }
[ -e /proc/self/fd/0 ] || exec </dev/null
if [ -n "${UCRUN_TEST_ENV:-}" ]; then
  exec "$@"
fi
UCRUN=$(realpath -m "${UCRUN:-$repository/dist/ucrun}")
UCRUN_REGISTRY=$(realpath -m "${UCRUN_REGISTRY:-$repository/build/registry}")
export UCRUN UCRUN_REGISTRY
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
run_outside "$@"
