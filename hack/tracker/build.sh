#!/usr/bin/env bash
# Builds the tracker image: with the containerfile where its base image is at hand or can be had at once, else the same
# program with this host's compiler, in an image of the containerfile's last stage.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: hack/tracker/build.sh [IMAGE]

Builds the tracker image IMAGE (default: localhost/ucrun-tracker), unless it is there already, and says which way it took.

  BASE    the base image of the build stage (default: the containerfile's; "none": compile on this host)
  PODMAN  the podman command, with options if need be (default: podman)
TEXT
}

case ${1:-} in
  -h | --help) usage; exit 0 ;;
  -*) usage >&2; exit 2 ;;
esac
[ $# -le 1 ] || { usage >&2; exit 2; }
image=${1:-localhost/ucrun-tracker}
read -ra podman <<<"${PODMAN:-podman}"
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
containerfile=$repository/containerfile
source=$repository/hack/loop-svc.c
base=${BASE:-$(sed -n 's/^ARG BASE=//p' "$containerfile")}

# A host without a network must not wait long to find that out.
pull_seconds=10
build_seconds=180

digest=$(cat "$containerfile" "$source" | sha256sum)
digest=${digest%% *}
label=ucrun.source-digest

is_built() {
  [ "$("${podman[@]}" image inspect --format "{{ index .Labels \"$label\" }}" "$image" 2>/dev/null)" = "$digest" ]
}

has_base() {
  [ "$base" != none ] || return 1
  "${podman[@]}" image exists "$base" || timeout "$pull_seconds" "${podman[@]}" pull --quiet "$base" >/dev/null 2>&1
}

# The build may still find out that there is no network, when the base image has no compiler.
build_in_container() {
  timeout "$build_seconds" "${podman[@]}" build --quiet --pull=never --build-arg "BASE=$base" --label "$label=$digest" \
    --tag "$image" --file "$containerfile" "$repository" >/dev/null
}

build_on_host() {
  command -v gcc >/dev/null || { echo 'tracker: gcc is missing: run hack/setup.sh' >&2; exit 1; }
  gcc -std=gnu11 -Os -Wall -Wextra -Werror -static -s -o "$scratch/loop-svc" "$source"
  sed -n '/^FROM scratch/,$ { s/--from=build \//.\//; p }' "$containerfile" >"$scratch/containerfile"
  "${podman[@]}" build --quiet --layers=false --label "$label=$digest" --tag "$image" --file "$scratch/containerfile" "$scratch" >/dev/null
}

if is_built; then
  printf 'tracker: %s is up to date\n' "$image"
  exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if has_base && build_in_container; then
  printf 'tracker: built %s in a container of %s\n' "$image" "$base"
else
  build_on_host
  printf 'tracker: built %s with the compiler of this host\n' "$image"
fi
