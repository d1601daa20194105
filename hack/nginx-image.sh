#!/usr/bin/env bash
# Builds an image with the distribution's nginx, for hosts that cannot pull one: it takes the same configuration as nginx' own.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: hack/nginx-image.sh [IMAGE]

Builds IMAGE (default: docker.io/library/nginx), FROM scratch, unless it is there already.

  PODMAN  the podman command, with options if need be (default: podman)
TEXT
}

case ${1:-} in
  -h | --help) usage; exit 0 ;;
  -*) usage >&2; exit 2 ;;
esac
[ $# -le 1 ] || { usage >&2; exit 2; }
image=${1:-docker.io/library/nginx}
read -ra podman <<<"${PODMAN:-podman}"
if "${podman[@]}" image exists "$image"; then
  exit 0
fi
program=$("$(dirname "${BASH_SOURCE[0]}")/debian-program.sh" nginx-light /usr/sbin/nginx)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/root"/{etc/nginx,run,tmp,var/log/nginx,var/lib/nginx,usr/share/nginx}
cp -a "$program/." "$scratch/root"
printf 'events {}\nhttp { server { listen 80; } }\n' >"$scratch/root/etc/nginx/nginx.conf"
# The users that its parts may run as, by default or by somebody's configuration.
printf '%s:x:%d:%d::/:/\n' root 0 0 www-data 33 33 nginx 101 101 nobody 65534 65534 >"$scratch/root/etc/passwd"
printf '%s:x:%d:\n' root 0 www-data 33 nginx 101 nogroup 65534 nobody 65534 >"$scratch/root/etc/group"
cat >"$scratch/Containerfile" <<'TEXT'
FROM scratch
COPY root /
ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
TEXT
"${podman[@]}" build --quiet --layers=false --tag "$image" "$scratch" >/dev/null
printf 'nginx: built %s\n' "$image"
