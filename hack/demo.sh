#!/usr/bin/env bash
# Shows ucrun at work: every command is printed with what it really printed, and its result is checked.
# Run by `make demo`, within hack/in-test-env.sh, where podman knows the runtime "ucrun".
set -euo pipefail

if [ $# -gt 0 ]; then
  printf 'Usage: hack/in-test-env.sh hack/demo.sh\n\nRuns a plain container and two unikernels through podman and ucrun.\n'
  [ "$1" = --help ] || [ "$1" = -h ] || exit 2
  exit 0
fi
tracker=localhost/ucrun-tracker
plain=localhost/ucrun-demo-plain
# shellcheck source=hack/demo-steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/demo-steps.sh"

# ---------------------------------------------------------------------------------------------------------------------

printf 'ucrun runs unikernels as containers. First the two images of this demo are made:\n'
build_tracker "$tracker"
mkdir "$work/image"
cp "$(command -v busybox)" "$work/image/busybox"
printf 'FROM scratch\nCOPY busybox /bin/busybox\nENTRYPOINT ["/bin/busybox"]\n' >"$work/image/Containerfile"
podman build --quiet --tag "$plain" "$work/image" >/dev/null

step 'A container without a unikernel goes to crun, which ucrun becomes'
succeed podman --runtime=ucrun run --rm "$plain" echo 'a plain container, as ever'
expect '^a plain container, as ever$' 'what the container printed'

step 'SERVICE_NAME names a unikernel: the same image now starts a virtual machine'
succeed podman --runtime=ucrun run -d --name hello -p 8080:8080 -e SERVICE_NAME=hello -e PORT=8080 "$tracker"
answers http://127.0.0.1:8080/
expect '"name": ?"hello"' 'the answer of the hello unikernel'

step 'It has the address of its container, so plain containers reach it, too'
succeed podman --runtime=ucrun run --rm "$plain" wget -q -O - "http://$(address_of hello):8080/"
expect '"name": ?"hello"' 'the answer of the hello unikernel'

step 'To podman it is a container like any other'
succeed podman ps --format 'table {{.Names}} {{.Status}} {{.Ports}}'
expect '^hello +Up .*:8080->8080/tcp' 'the container with its port'
succeed podman logs hello
expect '^hello: ready' 'the console of the unikernel'
succeed podman stats --no-stream --format 'table {{.Name}} {{.CPUPerc}} {{.MemUsage}}' hello
expect '^hello +[0-9.]+% +[1-9]' 'the memory that the machine uses'
succeed podman top hello user comm
expect 'qemu-system' 'the process of the virtual machine'
succeed podman pause hello
succeed podman unpause hello

step 'There is no process to execute in a unikernel, and ucrun says so'
if show podman exec hello /bin/sh; then
  fail 'exec did not fail'
fi
expect 'it is a unikernel' 'the reason'

step 'podman stop presses the power button of the machine'
succeed podman stop hello
succeed podman container inspect --format 'exit status {{.State.ExitCode}}' hello
expect '^exit status 0$' 'the exit status of a guest that went down by itself'
succeed podman logs --tail 1 hello

step "The guest's exit status is the container's"
succeed podman start hello
answers http://127.0.0.1:8080/
succeed curl --silent --show-error --fail -X POST 'http://127.0.0.1:8080/exit?code=3'
succeed podman wait hello
expect '^3$' 'the code that the guest was told to end with'
succeed podman rm hello

step 'A Linux unikernel: its own kernel and nothing but a web server'
succeed podman --runtime=ucrun run -d --name linux -p 8081:8080 -e SERVICE_NAME=linux -e PORT=8080 "$tracker"
answers http://127.0.0.1:8081/
succeed podman logs linux
expect 'linux: ready' 'the line that the guest prints when it is up'
succeed podman stop linux
succeed podman container inspect --format 'exit status {{.State.ExitCode}}' linux
expect '^exit status 0$' 'the exit status of a guest that went down by itself'
succeed podman rm linux

step 'Or a command of your own, on a kernel of its own'
# shellcheck disable=SC2016 # the guest's shell expands them
succeed podman --runtime=ucrun run --rm -e SERVICE_NAME=linux -e GREETING='good day' "$tracker" \
  sh -c 'echo $GREETING from Linux $(uname -r)'
expect '^good day from Linux [0-9]' 'the output of the command'
printf '     (this host runs Linux %s)\n' "$(uname -r)"

nothing_is_left
