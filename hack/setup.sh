#!/usr/bin/env bash
# Installs what building, demonstrating and testing ucrun needs and this host lacks.
# A host that has everything is recognised from dpkg's own records: no network, no root, a few milliseconds.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: hack/setup.sh [-n]

Installs the Debian or Ubuntu packages that `make build demo test bench` need.
  -n  only print the packages that are missing (exit status 1 if there are any)
TEXT
}

dry_run=false
while getopts nh option; do
  case $option in
    n) dry_run=true ;;
    h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

packages=(
  # Node, and so the executable, which has it inside
  libatomic1 libstdc++6
  # the sample guests and the tracker image; Debian packs its kernels with lz4, Ubuntu with zstd
  binutils busybox-static cpio e2fsprogs gcc libc6-dev lz4 make xz-utils zstd
  # what ucrun drives, and the engine that drives ucrun
  catatonit conmon crun iproute2 podman qemu-system-x86
  # what moves images
  skopeo
  # what makes packages
  dpkg-dev rpm
  # the demo and the tests
  bsdutils buildah curl fish iptables mandoc procps qemu-utils shellcheck strace util-linux wrk zsh
  # networks of Kubernetes' pods, and of podman where there is no netavark (Ubuntu 22.04)
  containernetworking-plugins
  # rootless podman
  slirp4netns uidmap
)
networks=(aardvark-dns netavark)
system=(mmdebstrap) # what makes the system that tests boot, from the host's mirror: Ubuntu has none of Debian
compose=(docker-compose podman-compose) # Ubuntu 22.04 has no podman-compose; there the tests of both say that they are skipped
passt=(passt) # Ubuntu 22.04 has none; there its tests say that they are skipped

# Where systemd runs, these packages start daemons: docker's changes the host's firewall, and drives out a docker from elsewhere.
# Without them their tests say that they are skipped.
if [ ! -d /run/systemd/system ]; then
  packages+=(docker-registry)
  command -v dockerd >/dev/null || packages+=(docker.io)
fi

# What builds the virtiofsd of the tests, where the distribution has none but there is a compiler for one.
if command -v cargo >/dev/null; then
  packages+=(libcap-ng-dev libseccomp-dev)
fi

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

id=unknown version=
if [ -r /etc/os-release ]; then
  # shellcheck source=/dev/null
  . /etc/os-release
  id=${ID:-unknown} version=${VERSION_ID:-}
fi

case "$id ${ID_LIKE:-}" in
  *debian* | *ubuntu*) ;;
  *)
    fail "packages can be installed on Debian and Ubuntu only, not on ${PRETTY_NAME:-$id}" \
      "- please install by hand what corresponds to: ${packages[*]} ${networks[*]}"
    ;;
esac
if [ "$id $version" != 'ubuntu 22.04' ]; then
  packages+=("${networks[@]}" "${compose[@]}" "${passt[@]}")
fi
[ "$id" != debian ] || packages+=("${system[@]}")

# dpkg-query fails when it does not know one of the names, and lists the others all the same.
missing_packages() {
  local installed name
  installed=" $(dpkg-query --show --showformat='${db:Status-Abbrev}${Package} ' "${packages[@]}" 2>/dev/null || true) "
  for name in "${packages[@]}"; do
    case $installed in
      *" ii $name "* | *" hi $name "*) ;;
      *) printf '%s\n' "$name" ;;
    esac
  done
}

mapfile -t missing < <(missing_packages)
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi
if $dry_run; then
  printf '%s\n' "${missing[@]}"
  exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || fail "these packages are missing, and installing them needs root or sudo: ${missing[*]}"
  as_root=(sudo)
fi

# Locks are waited for, because unattended upgrades hold them for minutes after a machine's first boot.
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
    apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@" </dev/null
}

install_missing() {
  apt install --yes --no-install-recommends "${missing[@]}"
}

printf 'setup: installing %s\n' "${missing[*]}"
# Lists that are there are tried as they are. Stale ones name versions that the mirror has dropped, so then they are fetched.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! install_missing >"$log" 2>&1; then
  apt update || fail 'apt-get update failed'
  install_missing >"$log" 2>&1 || {
    cat "$log" >&2
    fail "apt-get could not install: ${missing[*]}"
  }
fi

mapfile -t missing < <(missing_packages)
[ ${#missing[@]} -eq 0 ] || fail "still missing after the installation: ${missing[*]}"
