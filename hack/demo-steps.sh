# shellcheck shell=bash
# The steps of a demonstration; to be sourced within hack/in-test-env.sh. A command is printed with what it really printed, and
# its result is checked.

[ -n "${UCRUN_TEST_ENV:-}" ] || {
  printf 'demo: run this as: hack/in-test-env.sh hack/%s\n' "${0##*/}" >&2
  exit 2
}

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
steps=0
output=
work=$(mktemp -d)

cleanup() {
  podman rm --all --force --time 0 >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT

step() {
  steps=$((steps + 1))
  printf '\n%d. %s\n' "$steps" "$1"
}

fail() {
  printf '\ndemo: step %d: %s\n' "$steps" "$1" >&2
  exit 1
}

# Prints a command as one would type it.
print_command() {
  local word
  printf '   $'
  for word; do
    if [[ $word =~ ^[a-zA-Z0-9_./:=@%+,-]+$ ]]; then
      printf ' %s' "$word"
    else
      printf " '%s'" "${word//\'/\'\\\'\'}"
    fi
  done
  printf '\n'
}

# Prints a command and runs it. Its output is shown, and kept in $output for the checks.
show() {
  local status=0
  print_command "$@"
  "$@" >"$work/output" 2>&1 || status=$?
  sed 's/^/     /' "$work/output"
  output=$(cat "$work/output")
  return "$status"
}

succeed() {
  show "$@" || fail "\"$*\" ended with status $?"
}

expect() {
  grep -qE -- "$1" <<<"$output" || fail "expected $2, but got: ${output:-nothing}"
}

expect_nothing() {
  [ -z "$output" ] || fail "expected $1, but got: $output"
}

# Waits for a guest to answer, then shows the answer.
answers() {
  local deadline=$((SECONDS + 60))
  until curl --silent --output /dev/null --max-time 1 "$1"; do
    [ "$SECONDS" -lt "$deadline" ] || fail "$1 did not answer within 60 s"
    sleep 0.1
  done
  succeed curl --silent --show-error --fail "$1"
}

address_of() {
  podman container inspect --format '{{.NetworkSettings.IPAddress}}' "$1"
}

# Builds the tracker image, unless it is there.
build_tracker() {
  "$repository/hack/tracker/build.sh" "$1" >"$work/output" 2>&1 || {
    cat "$work/output" >&2
    exit 1
  }
  sed 's/^/     /' "$work/output"
}

# Waits until a command's output has a text, then shows it.
shows() {
  local deadline=$((SECONDS + 60)) pattern=$1
  shift
  until grep -qE -- "$pattern" <<<"$("$@" 2>&1)"; do
    [ "$SECONDS" -lt "$deadline" ] || { show "$@" || true; fail "\"$*\" did not show $pattern within 60 s"; }
    sleep 0.1
  done
  succeed "$@"
}

# Checks that no container, machine or record is left, and shows that.
nothing_is_left() {
  step 'Nothing is left'
  succeed podman ps --all --quiet
  expect_nothing 'no container'
  succeed find /run/ucrun -mindepth 1 ! -name kvm-proof.json ! -name crun-version
  expect_nothing 'an empty state directory'
  if show pgrep --list-name qemu-system; then
    fail 'a virtual machine is left'
  fi
  printf '\nAll %d steps did what they should (%d s).\n' "$steps" "$SECONDS"
}
