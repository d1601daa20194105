#!/usr/bin/env bash
# Builds a virtiofsd for the tests, where the distribution has none. It is kept, and not built a second time.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: hack/virtiofsd.sh DIRECTORY

Makes DIRECTORY/bin/virtiofsd by cargo, in about a minute. Where the distribution's own is installed, or where there is no cargo or
a header is missing, it says so and does nothing: the tests of virtiofs then take the installed one, or are skipped.
TEXT
}

version=1.14.0

case ${1:-} in
  -h | --help) usage; exit 0 ;;
  -*) usage >&2; exit 2 ;;
esac
[ $# -eq 1 ] || { usage >&2; exit 2; }

leave() {
  printf 'virtiofsd: %s\n' "$*"
  exit 0
}

[ ! -x "$1/bin/virtiofsd" ] || exit 0
for installed in /usr/libexec/virtiofsd /usr/lib/virtiofsd; do
  [ ! -x "$installed" ] || leave "$installed is installed"
done
command -v cargo >/dev/null || leave 'not built: there is no cargo'
for header in seccomp.h cap-ng.h; do
  [ -e "/usr/include/$header" ] || leave "not built: the header $header is missing (libseccomp-dev, libcap-ng-dev)"
done

printf 'virtiofsd: building %s\n' "$version"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! cargo install virtiofsd --version "$version" --locked --root "$1" --target-dir "$1/target" >"$log" 2>&1 </dev/null; then
  tail -n 5 "$log"
  leave 'not built: cargo failed'
fi
rm -rf "$1/target"
