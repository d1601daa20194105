#!/usr/bin/env bash
# Makes the unikernels of compose-examples/publish-subscribe: the sample Linux guest with another program in its initrd, which
# is Debian's redis-server in one and ours in the others.
set -euo pipefail
umask 022

usage() {
  cat <<'TEXT'
Usage: hack/publish-subscribe/build.sh [--update] DIRECTORY

Makes DIRECTORY/{redis-server,publisher,subscriber}, each with a unikernel.json and the files that it names, of the guest in
DIRECTORY/linux, which hack/linux-guest/build.sh makes. The same inputs are not built a second time.

  --update    look for a newer redis-server, rather than use the one in the cache
  -h, --help  show this text
TEXT
}

fail() {
  printf 'publish-subscribe: %s\n' "$*" >&2
  exit 1
}

update=() output=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --update) update=(--update) ;;
    -*) usage >&2; exit 2 ;;
    *)
      [ -z "$output" ] || { usage >&2; exit 2; }
      output=$1
      ;;
  esac
  shift
done
[ -n "$output" ] || { usage >&2; exit 2; }
[ -e "$output/linux/unikernel.json" ] || fail "there is no $output/linux: run hack/linux-guest/build.sh $output"
source=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
output=$(cd "$output" && pwd)
for program in cpio gcc ldd; do
  command -v "$program" >/dev/null || fail "$program is missing: run hack/setup.sh"
done
exec 9<"$output"
flock 9

redis=$("$source/../debian-program.sh" "${update[@]}" redis-server /usr/bin/redis-server)
fingerprint=$({
  find "$source" "$redis" -type f -print0 | sort -z | xargs -0 sha256sum
  cat "$output/linux/unikernel.json"
  sha256sum "$output/linux/initrd"
} | sha256sum)
is_built=true
for name in redis-server publisher subscriber; do
  [ -e "$output/$name/unikernel.json" ] && [ "$(cat "$output/$name/.fingerprint" 2>/dev/null)" = "$fingerprint" ] ||
    is_built=false
done
if $is_built; then
  exit 0
fi

scratch=$(mktemp -d "$output/.publish-subscribe.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
kernel=$(sed -n 's/^  "kernel": "\(.*\)",$/\1/p' "$output/linux/unikernel.json")
words=$(sed -n 's/^  "cmdline": "\(.*\)",$/\1/p' "$output/linux/unikernel.json")

# Compiles a program of ours to a root's /srv/serve, with the libraries that it needs of this host's.
add_own_program() {
  local root=$1 library
  mkdir -p "$root/srv"
  gcc -D_GNU_SOURCE -std=gnu11 -O2 -Wall -Wextra -Werror -Wstrict-prototypes -Wshadow -s -o "$root/srv/serve" "$source/$2.c" \
    "$source/redis.c"
  ldd "$root/srv/serve" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp --dereference "$library" "$root$library"
  done
}

# Makes the unikernel $1 of the files in $scratch/$1: a kernel unpacks one archive after another, so what it adds to the guest's
# root is appended. $2 is its memory, $3 its ports as JSON.
make_unikernel() {
  local directory=$output/$1 root=$scratch/$1
  chmod -R u=rwX,go=rX "$root"
  find "$root" -exec touch --no-dereference --date=@0 {} +
  (cd "$root" && find . -mindepth 1 -print0 | LC_ALL=C sort -z |
    cpio --null --create --format=newc --owner=0:0 --reproducible --quiet) >"$scratch/added"
  cat "$output/linux/initrd" "$scratch/added" >"$scratch/initrd"
  mkdir -p "$directory"
  rm -f "$directory"/{.fingerprint,unikernel.json,vmlinux,vmlinuz,initrd}
  ln "$output/linux/$kernel" "$directory"
  mv "$scratch/initrd" "$directory"
  printf '{\n  "guest": "linux",\n  "kernel": "%s",\n  "initrd": "initrd",\n  "cmdline": "%s",\n  "memory": "%s",\n  "ports": %s\n}\n' \
    "$kernel" "$words" "$2" "$3" >"$scratch/unikernel.json"
  # Last comes the file that makes the directory a unikernel.
  mv "$scratch/unikernel.json" "$directory"
  printf '%s\n' "$fingerprint" >"$directory/.fingerprint"
}

mkdir -p "$scratch/redis-server/srv"
cp -a "$redis/." "$scratch/redis-server"
# The guest's /usr is its root.
cp -a "$scratch/redis-server/usr/." "$scratch/redis-server"
rm -r "$scratch/redis-server/usr"
cp "$source/serve-redis" "$scratch/redis-server/srv/serve"
make_unikernel redis-server 256MiB '["6379"]'

for name in publisher subscriber; do
  add_own_program "$scratch/$name" "$name"
done
make_unikernel publisher 128MiB '["8080"]'
make_unikernel subscriber 128MiB '[]'
printf 'publish-subscribe: redis and its clients in %s/{redis-server,publisher,subscriber}\n' "$output"
