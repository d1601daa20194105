#!/usr/bin/env bash
# Makes a package of what `make install` installs, with a first unikernel in it. Two runs on one commit make the same file, byte for byte.
set -euo pipefail
umask 022

usage() {
  cat <<'TEXT'
Usage: hack/package.sh deb|rpm [DIRECTORY]

Makes the package in DIRECTORY (default: dist) and prints its path. dist/ucrun has to be built; `make deb` and `make rpm` do that before.

  SOURCE_DATE_EPOCH  the time of everything in it (default: that of the last commit)
TEXT
}

case ${1:-} in
  deb | rpm) format=$1 ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 2 ;;
esac
[ $# -le 2 ] || { usage >&2; exit 2; }
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mkdir -p "${2:-$repository/dist}"
output=$(cd "${2:-$repository/dist}" && pwd)
cd "$repository"

fail() {
  printf 'package: %s\n' "$*" >&2
  exit 1
}

needed_tool() { # program, package
  command -v "$1" >/dev/null || fail "$1 is missing: hack/setup.sh installs it, or: apt install $2"
}

[ -x dist/ucrun ] || fail 'dist/ucrun is missing: make build'
version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)
summary=$(sed -n 's/^  "description": "\(.*\)",$/\1/p' package.json)
maintainer=$(git log -1 --format='%an <%ae>' 2>/dev/null || echo 'ucrun <ucrun@localhost>')
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y package.json)}
export SOURCE_DATE_EPOCH
machine=$(uname -m)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

# What the package holds. Whoever has nothing yet finds the unikernel "hello" in the second of the default registries.
stage() {
  make --silent --no-print-directory install PREFIX=/usr DESTDIR="$root"
  local objects=$repository/build/hello-unikernel registry=$root/usr/share/ucrun/unikernels/hello
  mkdir -p "$objects" "$registry"
  (
    flock 9
    make --silent --no-print-directory -C hack/hello-unikernel OUT="$objects"
  ) 9>"$objects/lock"
  install -m 644 "$objects/hello.elf" "$objects/unikernel.json" "$registry"
  install -m 644 hack/hello-unikernel/README.md "$root/usr/share/doc/ucrun/hello-unikernel.md"
  find "$root/usr/share/man" -type f -exec gzip --no-name --best {} +
  find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}

# A podman that is there, or comes later, is told of ucrun once: whoever takes that back is not asked again.
tell_podman='if [ ! -e /var/lib/ucrun/told-podman ] && command -v podman >/dev/null; then
  if ucrun setup podman; then
    : >/var/lib/ucrun/told-podman
  else
    echo "ucrun: podman was not told of ucrun; try later: ucrun setup podman" >&2
  fi
fi'
# Engines would look for a program that is gone.
tell_no_more='ucrun setup --remove || echo "ucrun: take it out of that configuration by hand" >&2
rm -f /var/lib/ucrun/told-podman'

# ---------------------------------------------------------------------------------------------------------------------

# The executable is Node with a script behind its code, at which the tools that look for libraries stumble: they are shown Node.
node=node_modules/node-linux-$([ "$machine" = aarch64 ] && echo arm64 || echo x64)/bin/node

# The libraries that it needs, as Debian's packages are called.
library_packages() {
  mkdir -p "$work/shlibs/debian"
  printf 'Source: ucrun\n\nPackage: ucrun\nArchitecture: any\n' >"$work/shlibs/debian/control"
  (cd "$work/shlibs" && dpkg-shlibdeps --ignore-missing-info -O "$repository/$node" 2>/dev/null) | sed -n 's/^shlibs:Depends=//p'
}

script() { # name, text
  printf '#!/bin/sh\nset -e\n%s\n' "$2" >"$root/DEBIAN/$1"
  chmod 755 "$root/DEBIAN/$1"
}

make_deb() {
  local architecture libraries qemu package
  needed_tool dpkg-shlibdeps dpkg-dev
  case $machine in
    x86_64) architecture=amd64 qemu=qemu-system-x86 ;;
    aarch64) architecture=arm64 qemu=qemu-system-arm ;;
    *) fail "no package is made for $machine" ;;
  esac
  libraries=$(library_packages)
  [ -n "$libraries" ] || fail 'dpkg-shlibdeps found no libraries'
  install -m 644 LICENSE "$root/usr/share/doc/ucrun/copyright"
  gzip --no-name --best --stdout CHANGELOG.md >"$root/usr/share/doc/ucrun/changelog.gz"
  mkdir "$root/DEBIAN"
  cat >"$root/DEBIAN/control" <<TEXT
Package: ucrun
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du --summarize --apparent-size --block-size=1024 "$root/usr" | cut -f1)
Depends: $libraries, crun, iproute2, $qemu
Recommends: podman
Suggests: containerd, docker.io, passt, skopeo, virtiofsd
Section: admin
Priority: optional
Description: $summary
 Container engines call ucrun where they would call crun. A container that carries
 a unikernel becomes a QEMU machine, which runs inside a crun sandbox with the
 container's own namespaces, cgroup, network and console. Every other container
 goes to crun untouched.
TEXT
  script postinst "case \$1 in configure | triggered) ;; *) exit 0 ;; esac
mkdir -p /var/lib/ucrun
$tell_podman"
  script prerm "[ \"\$1\" = remove ] || exit 0
$tell_no_more"
  script postrm "[ \"\$1\" != purge ] || rmdir --ignore-fail-on-non-empty /var/lib/ucrun/overlays /var/lib/ucrun 2>/dev/null || true"
  printf 'interest-noawait /usr/bin/podman\n' >"$root/DEBIAN/triggers"
  (cd "$root" && find usr -type f -print0 | LC_ALL=C sort --zero-terminated | xargs -0 md5sum >DEBIAN/md5sums)
  find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  package=$output/ucrun_${version}_$architecture.deb
  # One thread: how the work is divided would show in the result. The option of that name is younger than Ubuntu 22.04.
  DPKG_DEB_THREADS_MAX=1 dpkg-deb --root-owner-group -Zzstd -z9 --build "$root" "$package" >/dev/null
  printf '%s\n' "$package"
}

# ---------------------------------------------------------------------------------------------------------------------

make_rpm() {
  local qemu libraries package
  needed_tool rpmbuild rpm
  case $machine in
    x86_64) qemu='qemu-system-x86-core' ;;
    aarch64) qemu='qemu-system-aarch64-core' ;;
    *) fail "no package is made for $machine" ;;
  esac
  libraries=$("$(rpm --eval '%{_rpmconfigdir}')/elfdeps" --requires <<<"$repository/$node" | LC_ALL=C sort --unique)
  [ -n "$libraries" ] || fail 'elfdeps found no libraries'
  cat >"$work/ucrun.spec" <<TEXT
# None of the usual clean-ups may touch the executable.
%global debug_package %{nil}
%global __os_install_post %{nil}
%global _build_id_links none
%global _buildhost localhost
%global use_source_date_epoch_as_buildtime 1
%global clamp_mtime_to_source_date_epoch 1
%global source_date_epoch_from_changelog 0
%global _binary_payload w9.zstdio

Name: ucrun
Version: $version
Release: 1
Summary: $summary
License: Apache-2.0
AutoReqProv: no
Requires: /bin/sh, crun, iproute, util-linux, ($qemu or qemu-kvm-core)
Requires: ${libraries//$'\n'/, }
Recommends: podman, iproute-tc

%description
Container engines call ucrun where they would call crun. A container that carries
a unikernel becomes a QEMU machine, which runs inside a crun sandbox with the
container's own namespaces, cgroup, network and console. Every other container
goes to crun untouched.

%install
cp -a $root/. %{buildroot}/
mkdir -p %{buildroot}/var/lib/ucrun

%triggerin -- podman
$tell_podman

%preun
[ "\$1" -eq 0 ] || exit 0
$tell_no_more
rmdir --ignore-fail-on-non-empty /var/lib/ucrun/overlays 2>/dev/null || true

# The directories are those that not every system has: whoever is last to have one removes it.
%files
$(cd "$root" && find usr -type f -printf '/%p\n' | LC_ALL=C sort)
$(cd "$root" && find usr/share/doc/ucrun usr/share/ucrun usr/share/zsh usr/share/fish usr/share/bash-completion -type d -printf '%%dir /%p\n' | LC_ALL=C sort)
%dir /var/lib/ucrun
TEXT
  rpmbuild --quiet -bb --define "_topdir $work/rpm" --define "_rpmfilename ucrun.rpm" "$work/ucrun.spec" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    fail 'rpmbuild failed'
  }
  package=$output/ucrun-$version-1.$machine.rpm
  mv "$work/rpm/RPMS/ucrun.rpm" "$package"
  printf '%s\n' "$package"
}

stage
"make_$format"
