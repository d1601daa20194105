#!/usr/bin/env bash
# Shows three unikernels that a compose file starts: redis, a publisher and a subscriber, once on a network of their own and once on
# the host's. Run by `make demo-compose`, within hack/in-test-env.sh, where podman knows the runtime "ucrun".
set -euo pipefail

if [ $# -gt 0 ]; then
  printf 'Usage: hack/in-test-env.sh hack/demo-compose.sh\n\nRuns compose-examples/publish-subscribe, both files, through podman-compose and ucrun.\n'
  [ "$1" = --help ] || [ "$1" = -h ] || exit 2
  exit 0
fi
# shellcheck source=hack/demo-steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/demo-steps.sh"

version=$(podman-compose version 2>/dev/null | sed -n 's/^podman-composer\? version:\? *\([0-9.]*\).*/\1/p')
[ -n "$version" ] || fail 'podman-compose is missing: it is not among the packages of this distribution'
# What this version needs for network_mode: host.
podman_path=()
if ! printf '%s\n' 1.0.6 "$version" | sort --version-sort --check=quiet; then
  podman_path=(--podman-path ../../hack/podman-for-compose.sh)
fi

# Starts the services of a file, publishes, and sees that it arrives: deploy FILE PATTERN-OF-THE-GUEST'S-ADDRESS [OPTION...]
deploy() {
  local file=$1 address=$2 name
  shift 2
  step "podman-compose starts the three services of $file"
  succeed podman-compose "$@" -f "$file" --podman-run-args=--runtime=ucrun up -d
  shows 'subscriber: ready' podman logs publish-subscribe_subscriber_1
  shows 'publisher: ready' podman logs publish-subscribe_publisher_1
  succeed podman ps --format 'table {{.Names}} {{.Status}} {{.Ports}}'
  for name in redis-server publisher subscriber; do
    expect "^publish-subscribe_${name}_1 +Up " "$name to run"
  done
  succeed podman logs publish-subscribe_redis-server_1
  expect 'Ready to accept connections' "redis' own log"

  step 'What is posted to the publisher is published, and the answer says by which guest'
  succeed curl --silent --show-error --fail -d @payload.json http://127.0.0.1:8080/publish
  expect "\"published\":[1-9][0-9]*,.*\"subscribers\":1,\"by\":\"publisher\",\"guest\":\\{\"address\":\"$address\"" \
    'the answer of the publisher'
  shows 'Good day to all unikernels' podman logs publish-subscribe_subscriber_1
  expect '^subscriber: received [0-9]+ bytes on "messages": \{ "from"' 'what was posted, in the log of the subscriber'

  step 'podman-compose stops all three'
  succeed podman-compose "$@" -f "$file" down
  # Its network stays.
  podman network rm publish-subscribe_default >/dev/null
}

printf 'ucrun runs the services of a compose file as unikernels. First their one image is made:\n'
build_tracker localhost/ucrun-tracker
cd "$repository/compose-examples/publish-subscribe"

deploy unikernel-deploy.yaml '10\.89\.[0-9.]+'
deploy unikernel-deploy-host.yaml '10\.0\.2\.15' "${podman_path[@]}"
nothing_is_left
