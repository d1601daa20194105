#!/usr/bin/env bash
# Takes one program out of the distribution's packages, with the libraries that it needs: what an initrd or an image FROM
# scratch wants of it. Nothing is installed.
set -euo pipefail
umask 022

usage() {
  cat <<'TEXT'
Usage: hack/debian-program.sh [--update] PACKAGE PROGRAM

Prints a directory that holds PROGRAM, such as /usr/bin/redis-server of the package redis-server, and the libraries that it needs, in
/lib and /lib64. The directory is the cache's: copy what is in it.

  --update    look for a newer one, rather than use the one in the cache
  -h, --help  show this text

The cache is ${XDG_CACHE_HOME:-~/.cache}/ucrun/debian-program.
TEXT
}

fail() {
  printf 'debian-program: %s\n' "$*" >&2
  exit 1
}

update=false
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --update) update=true ;;
    -*) usage >&2; exit 2 ;;
    *) break ;;
  esac
  shift
done
[ $# -eq 2 ] || { usage >&2; exit 2; }
package=$1 program=$2
for tool in apt-get dpkg-deb flock; do
  command -v "$tool" >/dev/null || fail "$tool is missing: programs are taken from Debian's or Ubuntu's packages"
done
# shellcheck source=hack/apt.sh
. "$(dirname "${BASH_SOURCE[0]}")/apt.sh"

[ -n "${XDG_CACHE_HOME:-}${HOME:-}" ] || fail 'there is no place for a cache: HOME is unset'
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ucrun/debian-program
result=$cache/$package
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ -d "$result" ] && ! $update; then
  printf '%s\n' "$result"
  exit 0
fi

scratch=$(mktemp -d "$cache/.new.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# Prints the package's like, such as nginx-common of nginx-light, and libraries, out of all that an empty system would get with it.
list_packages() {
  local names
  names=$(apt-get --simulate --no-install-recommends -o Dir::State::status=/dev/null install "$package" 2>/dev/null </dev/null |
    awk '$1 == "Inst" { print $2 }')
  grep -E "^(lib|zlib|${package%%-*})" <<<"$names"
}

download() {
  local names
  names=$(list_packages) || return 1
  rm -rf "$scratch/archives"
  mkdir "$scratch/archives"
  # shellcheck disable=SC2086 # a list of names
  apt_download "$scratch/archives" $names
}

download || { apt_update && download; } || fail "apt-get cannot download $package"
for archive in "$scratch"/archives/*.deb; do
  dpkg-deb --extract "$archive" "$scratch/packages"
done
[ -e "$scratch/packages$program" ] || fail "$package and the packages it needs have no $program"

mkdir -p "$scratch/result$(dirname "$program")" "$scratch/result/lib64" "$scratch/result/lib"
cp --dereference "$scratch/packages$program" "$scratch/result$program"

# The packages' own loader knows best what it would load. A library that it does not find makes it fail.
multiarch=$(dpkg --print-architecture | sed 's/^amd64$/x86_64/; s/^arm64$/aarch64/')-linux-gnu
loader=$(find "$scratch"/packages/lib{,64} -name 'ld-linux*.so.*' -print -quit)
[ -n "$loader" ] || fail 'the C library has no loader where it is searched for'
libraries=$("$loader" --library-path "$scratch/packages/lib/$multiarch:$scratch/packages/usr/lib/$multiarch" \
  --list "$scratch/result$program") || fail "$program needs a library that is in none of the packages: $libraries"
mkdir -p "$scratch/result/lib/$multiarch"
awk '$2 == "=>" { print $3 }' <<<"$libraries" | while read -r library; do
  cp --dereference "$library" "$scratch/result/lib/$multiarch"
done
cp --dereference "$loader" "$scratch/result/lib64"

rm -rf "$result"
mv "$scratch/result" "$result"
printf '%s\n' "$result"
