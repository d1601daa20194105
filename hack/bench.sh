#!/usr/bin/env bash
# Measures ucrun beside crun. Run by `make bench`, within hack/in-test-env.sh; --help lists the options.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
exec "$repository/node_modules/.bin/node" "$repository/hack/bench.ts" "$@"
