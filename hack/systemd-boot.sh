#!/usr/bin/env bash
# Boots systemd from the tree that hack/systemd-tree.sh makes, in namespaces of its own, inside of hack/in-test-env.sh.
# What the system writes is in a directory, so that it can be booted again; the tree itself stays as it is.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: hack/in-test-env.sh -- hack/systemd-boot.sh TREE DIRECTORY [COMMAND [ARGUMENT]...]

Boots TREE/root, with all that is written in DIRECTORY, as a system of DIRECTORY's name. Without COMMAND it runs in the foreground until it is
powered off inside, or killed. With COMMAND it waits for systemd to be ready, runs COMMAND in it as root, and powers it off;
`bash` gives a shell.

In it are UCRUN as /usr/bin/ucrun, UCRUN_REGISTRY as its registry, an ordinary user "user" (1000), an interface eth0 with the
address 192.0.2.2, which leads nowhere, and a podman whose cgroup manager is systemd.
TEXT
}

self=$(realpath "$0")

fail() {
  printf 'systemd-boot: %s\n' "$*" >&2
  exit 1
}

# ---------------------------------------------------------------------------------------------------------------------
# Process 1 of the new namespaces, until it becomes systemd.

# Only what programs need; the host's devices are not the system's.
mount_devices() {
  local name
  mount -t tmpfs -o mode=755,nosuid tmpfs "$1"
  for name in null zero full random urandom tty kvm fuse net/tun; do
    [ -c "/dev/$name" ] || continue
    mkdir -p "$1/$(dirname "$name")"
    mknod -m 666 "$1/$name" c "0x$(stat -c %t "/dev/$name")" "0x$(stat -c %T "/dev/$name")"
  done
  ln -s /proc/self/fd "$1/fd"
  for name in stdin=0 stdout=1 stderr=2; do ln -s "/proc/self/fd/${name#*=}" "$1/${name%=*}"; done
  mkdir "$1/pts" "$1/shm" "$1/mqueue"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$1/pts"
  ln -s pts/ptmx "$1/ptmx"
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$1/shm"
  mount -t mqueue -o nosuid,nodev,noexec mqueue "$1/mqueue"
}

mount_system() { # tree, directory
  local root=$2/root
  mount -t overlay -o "lowerdir=$1/root,upperdir=$2/upper,workdir=$2/work" overlay "$root"
  mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
  mount -t sysfs -o nosuid,nodev,noexec sysfs "$root/sys"
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
  mount_devices "$root/dev"
  mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
  # Podman's own overlays cannot lie on this one.
  mount --bind "$2/home" "$root/home"
  mount --bind "$2/containers" "$root/var/lib/containers"
  mount --bind -o ro "$UCRUN" "$root/usr/bin/ucrun"
  [ ! -d "$UCRUN_REGISTRY" ] || mount --bind -o ro "$UCRUN_REGISTRY" "$root/var/lib/ucrun/unikernels"
}

# A limit above the one we have needs CAP_SYS_RESOURCE, which not every test machine has; podman asks for more unless told otherwise.
write_podman_settings() {
  local pids=''
  grep -qw pids "$1/sys/fs/cgroup/cgroup.controllers" || pids='pids_limit = 0'
  cat >"$1/etc/containers/containers.conf" <<TOML
[containers]
default_ulimits = ["nofile=1024:$(ulimit -Hn)", "nproc=10000:10000"]
$pids
[engine]
cgroup_manager = "systemd"
[engine.runtimes]
ucrun = ["/usr/bin/ucrun"]
TOML
}

make_network() {
  ip link set lo up
  # Not a dummy, which not every kernel has.
  ip link add eth0 type veth peer name wire
  ip link set wire up
  ip link set eth0 up
  ip address add 192.0.2.2/24 dev eth0
  ip route add default via 192.0.2.1
}

run_inside() { # tree, directory
  local root=$2/root
  mount_system "$1" "$2"
  make_network
  write_podman_settings "$root"
  hostname "$(basename "$2")"
  hostname >"$root/etc/hostname"
  cp "$2/machine-id" "$root/etc/machine-id"
  cd "$root"
  mkdir -p run/host-root
  # Not chroot: a process in a chroot cannot make user namespaces.
  pivot_root . run/host-root
  exec 3>&- </dev/null
  umount --lazy run/host-root
  rmdir run/host-root
  exec env --ignore-environment container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /usr/lib/systemd/systemd --log-target=journal --show-status=no
}

# ---------------------------------------------------------------------------------------------------------------------

boot() {
  mkdir -p "$cgroup"
  echo "$BASHPID" >"$cgroup/cgroup.procs"
  exec unshare --mount --propagation private --pid --fork --kill-child=KILL --uts --ipc --net --cgroup \
    "$self" @inside "$tree" "$directory"
}

# Runs a command in the system, in a cgroup beside those of systemd: as little as possible of the outside is seen by it.
enter() {
  mkdir -p "$cgroup/shell"
  (
    echo "$BASHPID" >"$cgroup/shell/cgroup.procs"
    exec nsenter --target "$system" --all env --ignore-environment HOME=/root TERM="${TERM:-dumb}" \
      PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
  )
}

system=
# The system's process 1, once systemd can be asked and has started everything.
is_running() {
  system=$(cat "/proc/$monitor/task/$monitor/children" 2>/dev/null) || return 1
  system=${system% }
  [ -n "$system" ] || return 1
  case $(enter systemctl is-system-running --wait 2>/dev/null) in running | degraded) true ;; *) false ;; esac
}

boot_for_command() {
  local status=0 deadline=$((SECONDS + 120))
  boot </dev/null &
  monitor=$!
  trap 'kill -KILL "$monitor" 2>/dev/null || true' EXIT
  until is_running; do
    [ -d "/proc/$monitor" ] || fail 'systemd has ended'
    [ "$SECONDS" -lt "$deadline" ] || fail 'systemd is not ready after two minutes'
    sleep 0.1
  done
  enter "$@" || status=$?
  enter systemctl poweroff || kill -KILL "$monitor"
  wait "$monitor" || true
  find "$cgroup" -depth -type d -exec rmdir {} +
  exit "$status"
}

case ${1:-} in
  @inside)
    shift
    run_inside "$@"
    ;;
  -h | --help)
    usage
    exit 0
    ;;
esac
[ $# -ge 2 ] || { usage >&2; exit 2; }
[ -n "${UCRUN_TEST_ENV:-}" ] || fail 'this runs inside of hack/in-test-env.sh only'
[ -d /run/ucrun-env/cgroup2 ] || fail 'this host has no cgroup v2'
[ -d "$1/root" ] || fail "there is no tree at \"$1\": hack/systemd-tree.sh makes it"
tree=$(realpath "$1")
mkdir -p "$2"/{upper,work,root,containers}
directory=$(realpath "$2")
cgroup=/run/ucrun-env/cgroup2/$(basename "$directory")
shift 2
[ -e "$directory/home" ] || cp -a "$tree/root/home" "$directory/home"
[ -s "$directory/machine-id" ] || tr -d - </proc/sys/kernel/random/uuid >"$directory/machine-id"
[ $# -gt 0 ] || boot
boot_for_command "$@"
