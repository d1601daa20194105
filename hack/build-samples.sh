#!/usr/bin/env bash
# Builds the sample unikernels into a registry. What has not changed is not built again.
set -euo pipefail
umask 022

usage() {
  cat <<'TEXT'
Usage: hack/build-samples.sh DIRECTORY

Makes the unikernels hello, linux, linux-disk and linux-9p in DIRECTORY, each with a unikernel.json and the files that it
names.
TEXT
}

case ${1:-} in
  -h | --help) usage; exit 0 ;;
  -*) usage >&2; exit 2 ;;
esac
[ $# -eq 1 ] || { usage >&2; exit 2; }
hack=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
registry=$(cd "$1" && pwd)

# Object files are no part of a registry. Every caller shares them, so there is one caller at a time.
objects=$hack/../build/hello-unikernel
mkdir -p "$objects"
objects=$(cd "$objects" && pwd)
exec 9>"$objects/lock"
flock 9

MAKEFLAGS='' make --silent --no-print-directory -C "$hack/hello-unikernel" OUT="$objects"
mkdir -p "$registry/hello"
# Last comes the file that makes the directory a unikernel.
install -C -m 644 "$objects/hello.elf" "$registry/hello/hello.elf"
install -C -m 644 "$objects/unikernel.json" "$registry/hello/unikernel.json"

"$hack/linux-guest/build.sh" "$registry"
