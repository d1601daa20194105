#!/usr/bin/env bash
# Makes the file system that the tests boot systemd from: a Debian with systemd, podman 5 and QEMU. It is made once, in about half
# a minute and 350 MB, and again only when this script has changed.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: hack/systemd-tree.sh [-r] DIRECTORY

Makes DIRECTORY/root with mmdebstrap from the mirror that this host's apt uses, as root or with sudo. On hosts that are not Debian it
says so and does nothing: the tests that need it are then skipped.
  -r  remove DIRECTORY instead
TEXT
}

suite=trixie

packages=(
  # the system and its user managers
  dbus dbus-user-session iproute2 libpam-systemd procps systemd systemd-sysv
  # ucrun
  libatomic1 libstdc++6
  # what ucrun drives, and the engine that drives ucrun, also without root
  aardvark-dns catatonit conmon crun fuse-overlayfs iptables netavark nftables passt podman qemu-system-x86 qemu-utils slirp4netns uidmap
  # what tests ask with
  bsdutils ca-certificates curl socat
)

# What would reach beyond the namespaces (kernel settings belong to the host) or only costs time.
masked_units=(
  apt-daily.timer apt-daily-upgrade.timer console-getty.service dev-hugepages.mount dpkg-db-backup.timer e2scrub_all.timer
  fstrim.timer getty.target proc-sys-fs-binfmt_misc.automount sys-kernel-config.mount sys-kernel-debug.mount
  sys-kernel-tracing.mount systemd-binfmt.service systemd-journald-audit.socket systemd-sysctl.service
)

fail() {
  printf 'systemd-tree: %s\n' "$*" >&2
  exit 1
}

remove=false
while getopts rh option; do
  case $option in
    r) remove=true ;;
    h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done
self=$(realpath "$0")
arguments=("$@")
shift $((OPTIND - 1))
[ $# -eq 1 ] || { usage >&2; exit 2; }
directory=$(realpath -m "$1")

become_root() {
  [ "$(id -u)" -ne 0 ] || return 0
  command -v sudo >/dev/null || fail 'this needs root or sudo'
  exec sudo "$self" "${arguments[@]}"
}

if $remove; then
  [ -e "$directory" ] || exit 0
  become_root
  rm -rf --one-file-system "$directory"
  exit 0
fi

recipe=$(sha256sum <"$self")
is_made() { [ "$(cat "$directory/recipe" 2>/dev/null)" = "$recipe" ]; }

! is_made || exit 0
id=unknown VERSION_CODENAME=''
if [ -r /etc/os-release ]; then
  # shellcheck source=/dev/null
  . /etc/os-release
  id=${ID:-unknown}
fi
if [ "$id" != debian ]; then
  printf 'systemd-tree: not made: %s has no mirror of Debian\n' "${PRETTY_NAME:-this host}"
  exit 0
fi
become_root
command -v mmdebstrap >/dev/null || fail 'mmdebstrap is missing: hack/setup.sh installs it'

mkdir -p "$(dirname "$directory")"
exec 9>"$directory.lock"
flock 9
! is_made || exit 0

# A mirror that has the host's own release has the newer ones, too.
mirror=$(apt-get indextargets --format "\$(RELEASE) \$(COMPONENT) \$(REPO_URI)" 'Created-By: Packages' |
  awk -v release="$VERSION_CODENAME" '$1 == release && $2 == "main" { print $3; exit }')
[ -n "$mirror" ] || fail "apt knows no mirror of $VERSION_CODENAME"

finish_tree() {
  local root=$1 unit
  for unit in "${masked_units[@]}"; do ln -s /dev/null "$root/etc/systemd/system/$unit"; done
  # An ordinary user with subordinate ids, as adduser makes them.
  chroot "$root" useradd --uid 1000 --create-home --shell /bin/bash user
  grep -q '^user:' "$root/etc/subuid" || fail 'useradd gave no subordinate ids'
  # Podman's storage cannot be on an overlay: /home and /var/lib/containers are mounted over, with these in them.
  mkdir -p "$root/var/lib/containers" "$root/var/lib/ucrun/unikernels" "$root/etc/containers" "$root/etc/ucrun"
  printf 'nameserver 192.0.2.1\n' >"$root/etc/resolv.conf"
  # The time of booting is not spent on rewriting these.
  printf 'tree\n' >"$root/etc/hostname"
  printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
  : >"$root/usr/bin/ucrun"
}

printf 'systemd-tree: making a Debian %s\n' "$suite"
new=$directory.new
rm -rf --one-file-system "$new"
mkdir "$new"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# What it mounts while it works is in a namespace of its own, and so gone if it is killed.
if ! unshare --mount --propagation private mmdebstrap --mode=root --variant=minbase --include="${packages[*]}" \
  --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/man/*' --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' \
  "$suite" "$new/root" "$mirror" >"$log" 2>&1 </dev/null; then
  tail -n 20 "$log" >&2
  fail "mmdebstrap failed with the mirror of $VERSION_CODENAME"
fi
finish_tree "$new/root"
printf '%s\n' "$recipe" >"$new/recipe"
rm -rf --one-file-system "$directory"
mv -T "$new" "$directory"
