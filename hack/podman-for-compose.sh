#!/bin/sh
# podman, as podman-compose 1.0.3 of Debian 12 needs it for "network_mode: host":
#
#   podman-compose --podman-path hack/podman-for-compose.sh ...
#
# That version asks for the project's network beside the host's, which podman refuses. Here the second is left out, with the
# name that a service would have in it. Newer ones (1.0.6 and later) know better.
set -eu

is_on_host=
before=
for word; do
  [ "$before $word" != '--network host' ] || is_on_host=1
  before=$word
done
if [ -n "$is_on_host" ]; then
  left=$#
  while [ "$left" -gt 0 ]; do
    word=$1
    shift
    left=$((left - 1))
    case $word in
      --net | --network-alias)
        shift
        left=$((left - 1))
        ;;
      *) set -- "$@" "$word" ;;
    esac
  done
fi
exec podman "$@"
