#!/usr/bin/env bash
# Makes Linux unikernels: the distribution's kernel, and an initrd of busybox and our init, whose root file system is that
# initrd, a disk, or the container's. Nothing is installed. The kernel comes through apt, so its signature was checked, and is
# kept in a cache.
set -euo pipefail
# The files are for whoever runs machines, whoever made them.
umask 022

usage() {
  cat <<'TEXT'
Usage: hack/linux-guest/build.sh [--update] DIRECTORY

Makes DIRECTORY/{linux,linux-disk,linux-9p}, each with a unikernel.json and the files that it names. The same inputs give
the same files, byte for byte, and are not built a second time.

  --update    look for a newer kernel, rather than use the one in the cache
  -h, --help  show this text

The cache is ${XDG_CACHE_HOME:-~/.cache}/ucrun/linux-guest.
TEXT
}

# Drivers, in the kernel's words. What is built into a kernel needs no file, and the order is modprobe's business.
modules=(virtio_mmio virtio_pci virtio_net virtio_blk virtio_balloon button evdev pvpanic_mmio)

# What there is of these: file systems and what they ask for while they are mounted. See initrd/etc/disk-types.
file_systems=(9p 9pnet_virtio fuse virtiofs ext4 crc32c_generic crc32c_intel squashfs erofs isofs vfat nls_cp437 nls_ascii nls_iso8859_1)

# cryptomgr.notests: what the kernel would prove of its ciphers takes a sixth of the boot without KVM.
# noreplace-smp: so does a twentieth what it would patch in itself on finding one CPU.
# nowatchdog: on a busy host a guest's processor stands still for long, which the kernel would call a lockup, in the container's log.
# loglevel: on a microvm without a clock or PCI the kernel would say so on the console.
kernel_words='cryptomgr.notests noreplace-smp nowatchdog loglevel=2'

# Of the disk that is a root. What is free takes no room until a guest writes there.
disk_size=64M

fail() {
  printf 'linux-guest: %s\n' "$*" >&2
  exit 1
}

update=false output=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --update) update=true ;;
    -*) usage >&2; exit 2 ;;
    *)
      [ -z "$output" ] || { usage >&2; exit 2; }
      output=$1
      ;;
  esac
  shift
done
[ -n "$output" ] || { usage >&2; exit 2; }
[ "$(uname -m)" = x86_64 ] || fail "the sample guest is for x86_64, this host is $(uname -m)"

source=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=hack/apt.sh
. "$source/../apt.sh"
mkdir -p "$output"
output=$(cd "$output" && pwd)
if [ -n "${XDG_CACHE_HOME:-}${HOME:-}" ]; then
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/ucrun/linux-guest
else
  cache=$output/.cache
fi
mkdir -p "$cache"

# ---------------------------------------------------------------------------------------------------------------------
# The kernel's packages

# shellcheck source=/dev/null
distribution=$(. /etc/os-release && printf '%s' "$ID")
# Debian's kernel for virtual machines would boot a little faster, but has no 9p.
case $distribution in
  debian) kernel_package=linux-image-amd64 ;;
  ubuntu) kernel_package=linux-image-virtual ;;
  *) fail "kernels are taken from Debian or Ubuntu, and this is $distribution" ;;
esac
packages=$cache/$kernel_package

# Prints the packages that the distribution's newest kernel consists of.
list_packages() {
  local image
  image=$(depends_on_image "$kernel_package")
  [ -n "$image" ] || return 1
  printf '%s\n' "$image"
  # Ubuntu keeps the modules in a package of their own.
  [ "$distribution" != ubuntu ] || printf '%s\n' "${image/#linux-image-/linux-modules-}"
}

depends_on_image() {
  apt-cache depends --no-recommends --no-suggests "$1" 2>/dev/null |
    awk '/Depends: linux-image-[0-9]/ { print $2; exit }'
}

# Fills the cache with those packages and nothing else.
download_packages() {
  local directory=$cache/new names
  rm -rf "$directory"
  mkdir "$directory"
  names=$(list_packages) || return 1
  # shellcheck disable=SC2086 # a list of names
  apt_download "$directory" $names || return 1
  rm -rf "$packages"
  mv "$directory" "$packages"
}

# ---------------------------------------------------------------------------------------------------------------------
# The kernel

# Prints the unsigned number of $3 bytes at offset $2 of a file.
number_at() {
  od -An -j"$2" -N"$3" -t"u$3" "$1" | tr -d ' '
}

# Unpacks the ELF file that a bzImage carries. QEMU boots that, too, by its PVH entry, and the guest is spared the
# unpacking, which without KVM takes longer than anything else in the boot. Fails if this kernel has no such entry or this
# host has no program to unpack it.
# See Linux, Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length.
unpack_kernel() {
  local image=$1 elf=$2 start length magic unpacker
  start=$(((($(number_at "$image" 497 1) + 1) * 512) + $(number_at "$image" 584 4)))
  length=$(number_at "$image" 588 4)
  magic=$(od -An -j"$start" -N4 -tx1 "$image" | tr -d ' ')
  # All but gzip's payload end in the unpacked size, which the programs would take for garbage.
  case $magic in
    1f8b*) unpacker=gzip length=$((length + 4)) ;;
    fd377a58) unpacker=xz ;;
    28b52ffd) unpacker=zstd ;;
    02214c18) unpacker=lz4 ;;
    *) echo "linux-guest: the kernel is packed in an unknown way" >&2; return 1 ;;
  esac
  command -v "$unpacker" >/dev/null || { echo "linux-guest: $unpacker is missing" >&2; return 1; }
  dd if="$image" iflag=skip_bytes,count_bytes skip="$start" count=$((length - 4)) bs=1M status=none |
    "$unpacker" -dcq >"$elf" || return 1
  has_pvh_entry "$elf"
}

# XEN_ELFNOTE_PHYS32_ENTRY is note 18 of the name "Xen".
has_pvh_entry() {
  LC_ALL=C grep -aqP '\x04\x00\x00\x00[\x04\x08]\x00\x00\x00\x12\x00\x00\x00Xen\x00' "$1"
}

# ---------------------------------------------------------------------------------------------------------------------
# Root file systems

# Copies a module and what it depends on. Fails if the kernel has it neither built in nor as a module.
add_module() {
  local name=$1 file dependency
  if [ -e "$initrd_modules/$name.ko" ] || grep -qE "/${name//[-_]/[-_]}\.ko\$" "$unpacked_modules/modules.builtin"; then
    return
  fi
  file=$(find "$unpacked_modules/kernel" -name "${name//[-_]/[-_]}.ko*" -print -quit)
  [ -n "$file" ] || return
  case $file in
    *.xz) xz -dc "$file" ;;
    *.zst) zstd -dcq "$file" ;;
    *) cat "$file" ;;
  esac >"$initrd_modules/$name.ko"
  # The guest is spared the signature, whose check takes longest, and what is there for debuggers.
  strip --strip-debug --remove-section=.BTF "$initrd_modules/$name.ko"
  for dependency in $(LC_ALL=C tr '\0,' '\n ' <"$initrd_modules/$name.ko" | sed -n 's/^depends=//p'); do
    add_module "$dependency"
  done
}

# Makes what any Linux guest's root has: busybox, and a server for want of a program.
make_root() {
  local root=$1 applet
  mkdir -p "$root"/{bin,dev,etc,proc,run,sys,tmp,var}
  ln -s . "$root/usr"
  ln -s bin "$root/sbin"
  ln -s ../run "$root/var/run"
  cp "$busybox" "$root/bin/busybox"
  for applet in $("$busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
  done
  cp -a "$source/rootfs/." "$root"
}

make_initrd() {
  local root=$scratch/initrd-root module
  initrd_modules=$root/lib/modules/$version
  make_root "$root"
  cp -a "$source/initrd/." "$root"
  gcc -std=c11 -Os -Wall -Wextra -Werror -static -nostdlib -ffreestanding -fno-pie -no-pie -fno-stack-protector \
    -fno-asynchronous-unwind-tables -fcf-protection=none -Wl,--build-id=none -Wl,-z,noseparate-code -s \
    -o "$root/bin/machine-exit" "$source/machine-exit.c"

  mkdir -p "$initrd_modules"
  for module in "${modules[@]}"; do
    add_module "$module" || fail "the kernel $version has no module $module"
  done
  for module in "${file_systems[@]}"; do
    add_module "$module" || true
  done
  "$busybox" depmod -b "$root" "$version"

  # Nothing in the archive depends on who makes it, when, or in which file system. Not compressed: that costs more time
  # in the guest than the larger file does.
  chmod -R u=rwX,go=rX "$root"
  find "$root" -exec touch --no-dereference --date=@0 {} +
  (cd "$root" && find . -print0 | LC_ALL=C sort -z |
    cpio --null --create --format=newc --owner=0:0 --reproducible --quiet) >"$scratch/initrd"
}

# A disk for the root, made without root's rights. A machine writes to a layer of its own above the image, which goes with it, so
# there is no journal.
make_disk() {
  local root=$scratch/disk-root uuid=6c696e75-782d-4469-736b-000000000001
  make_root "$root"
  chmod -R u=rwX,go=rX "$root"
  chmod 1777 "$root/tmp"
  truncate --size="$disk_size" "$scratch/root.img"
  E2FSPROGS_FAKE_TIME=1 mke2fs -q -F -t ext4 -O '^has_journal,^resize_inode' -m 0 -b 4096 -N 4096 -U "$uuid" \
    -E "hash_seed=$uuid,root_owner=0:0,lazy_itable_init=0" -d "$root" "$scratch/root.img"
  # The image has owners and times from the files that it was made of.
  (cd "$root" && find . -printf '%P\n' | while read -r path; do
    for field in 'uid 0' 'gid 0' 'atime @0' 'ctime @0' 'mtime @0' 'crtime @0' 'atime_extra 0' 'ctime_extra 0' 'mtime_extra 0' \
      'crtime_extra 0'; do
      printf 'set_inode_field "/%s" %s\n' "$path" "$field"
    done
  done) >"$scratch/commands"
  E2FSPROGS_FAKE_TIME=1 debugfs -w -f "$scratch/commands" "$scratch/root.img" >/dev/null 2>"$scratch/messages" ||
    fail "debugfs: $(cat "$scratch/messages")"
}

# ---------------------------------------------------------------------------------------------------------------------
# The registry

# Makes the unikernel $1, with further lines for its definition.
make_unikernel() {
  local directory=$output/$1
  mkdir -p "$directory"
  rm -f "$directory"/{.fingerprint,unikernel.json,vmlinux,vmlinuz,initrd,root.img}
  # The same two files for all.
  ln "$scratch/$kernel" "$scratch/initrd" "$directory"
  [ "$1" != linux-disk ] || mv "$scratch/root.img" "$directory"
  {
    printf '{\n  "guest": "linux",\n  "kernel": "%s",\n  "initrd": "initrd",\n' "$kernel"
    [ $# -eq 1 ] || printf '  %s,\n' "${@:2}"
    printf '  "cmdline": "%s",\n  "memory": "256MiB",\n  "cpus": 1,\n  "ports": ["8080"],\n  "powerButton": true\n}\n' \
      "$kernel_words"
  } >"$scratch/unikernel.json"
  # Last comes the file that makes the directory a unikernel.
  mv "$scratch/unikernel.json" "$directory"
  printf '%s\n' "$fingerprint" >"$directory/.fingerprint"
}

# ---------------------------------------------------------------------------------------------------------------------

for program in apt-get cpio debugfs dpkg-deb gcc mke2fs readelf strip; do
  command -v "$program" >/dev/null || fail "$program is missing: run hack/setup.sh"
done
busybox=$(command -v busybox) || fail 'busybox is missing: run hack/setup.sh'
# There are two packages of it, and the guest has no libraries for the one that needs them.
! readelf --program-headers --wide "$busybox" | grep -q INTERP || fail "$busybox is not static: install busybox-static"

# One at a time: they share the cache.
exec 9>"$cache/lock"
flock 9

if $update || [ ! -d "$packages" ]; then
  download_packages || { apt_update && download_packages; } || fail 'apt-get cannot download the kernel'
fi

# What the result depends on, to see whether it is there already.
fingerprint=$({
  find "$source" -type f ! -name README.md -print0 | sort -z | xargs -0 sha256sum
  sha256sum "$busybox"
  ls "$packages"
  command -v lz4 xz zstd || true
  mke2fs -V 2>&1
} | sha256sum)
is_built=true
for name in linux linux-disk linux-9p; do
  [ -e "$output/$name/unikernel.json" ] && [ "$(cat "$output/$name/.fingerprint" 2>/dev/null)" = "$fingerprint" ] ||
    is_built=false
done
if $is_built; then
  exit 0
fi

scratch=$(mktemp -d "$output/.linux-guest.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
for package in "$packages"/*.deb; do
  dpkg-deb --extract "$package" "$scratch/packages"
done
image=$(find "$scratch/packages/boot" -name 'vmlinuz-*')
version=${image##*/vmlinuz-}
unpacked_modules=$(find "$scratch/packages" -type d -path "*/lib/modules/$version")

if unpack_kernel "$image" "$scratch/vmlinux"; then
  kernel=vmlinux
else
  kernel=vmlinuz
  echo 'linux-guest: the kernel stays packed, so it will boot more slowly' >&2
  cp "$image" "$scratch/vmlinuz"
fi
chmod 644 "$scratch/$kernel"
make_initrd
make_disk
make_unikernel linux
make_unikernel linux-disk '"disk": "root.img"' '"root": "disk"'
make_unikernel linux-9p '"root": "9p"'
printf 'linux-guest: Linux %s in %s/{linux,linux-disk,linux-9p}\n' "$version" "$output"
