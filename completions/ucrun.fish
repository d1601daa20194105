# fish completion for ucrun

set -l verbs create start state kill delete run exec pause resume ps list events update spec features image machine setup doctor completion help
set -l first "not __fish_seen_subcommand_from $verbs"

function __ucrun_ids
    set -l words (commandline -opc)
    set -l root
    for index in (seq (count $words))
        switch $words[$index]
            case --root
                set root --root $words[(math $index + 1)]
            case '--root=*'
                set root $words[$index]
        end
    end
    $words[1] $root list --quiet 2>/dev/null
end

function __ucrun_names
    ucrun image ls 2>/dev/null | string match --invert 'NAME *' | string replace --regex ' .*' ''
end

complete -c ucrun -f
complete -c ucrun -n $first -l root -x -a '(__fish_complete_directories)' -d 'where crun keeps its state'
complete -c ucrun -n $first -l log -r -F -d 'file to write errors to'
complete -c ucrun -n $first -l log-format -x -a 'text json' -d 'the form of the error log'
complete -c ucrun -n $first -l debug -d 'say on stderr what is done'
complete -c ucrun -n $first -l systemd-cgroup -d 'use systemd cgroups'
complete -c ucrun -n $first -s v -l version -d 'print versions'
complete -c ucrun -n $first -s h -l help -d 'list the commands'

complete -c ucrun -n $first -a create -d 'create a container from a bundle'
complete -c ucrun -n $first -a start -d 'start a created container'
complete -c ucrun -n $first -a state -d 'print the state of a container'
complete -c ucrun -n $first -a kill -d "send a signal; TERM presses a unikernel's power button"
complete -c ucrun -n $first -a delete -d 'remove a stopped container'
complete -c ucrun -n $first -a run -d 'create, start, wait for and delete a container'
complete -c ucrun -n $first -a exec -d 'run a command in a plain container'
complete -c ucrun -n $first -a pause -d 'stop all processes of a container'
complete -c ucrun -n $first -a resume -d 'let them go on'
complete -c ucrun -n $first -a ps -d 'show the processes of a container'
complete -c ucrun -n $first -a list -d 'list the containers'
complete -c ucrun -n $first -a events -d 'show events of a container'
complete -c ucrun -n $first -a update -d 'change the limits of a container'
complete -c ucrun -n $first -a spec -d 'write an example specification'
complete -c ucrun -n $first -a features -d 'print what the runtime can do'
complete -c ucrun -n $first -a image -d 'list, make, move and remove the unikernels that SERVICE_NAME can name'
complete -c ucrun -n $first -a setup -d "put ucrun into an engine's configuration"
complete -c ucrun -n $first -a machine -d 'run unikernels without an engine, also as services of systemd'
complete -c ucrun -n $first -a doctor -d 'say whether unikernels can run here, and what to do if not'
complete -c ucrun -n $first -a completion -d 'print a script that completes command lines'
complete -c ucrun -n $first -a help -d 'list the commands, or explain one'

complete -c ucrun -n '__fish_seen_subcommand_from start state kill delete exec pause resume ps events update' -a '(__ucrun_ids)' -d container
complete -c ucrun -n '__fish_seen_subcommand_from create run spec' -s b -l bundle -x -a '(__fish_complete_directories)' -d 'the bundle'
complete -c ucrun -n '__fish_seen_subcommand_from create run' -s f -l config -r -F -d 'the specification'
complete -c ucrun -n '__fish_seen_subcommand_from create run exec' -l console-socket -r -F -d 'where the terminal is sent'
complete -c ucrun -n '__fish_seen_subcommand_from create run exec' -l pid-file -r -F -d 'where the process id is written'
complete -c ucrun -n '__fish_seen_subcommand_from create run exec' -l preserve-fds -x -d 'how many descriptors are passed on'
complete -c ucrun -n '__fish_seen_subcommand_from create run' -l no-pivot -d 'do not use pivot_root'
complete -c ucrun -n '__fish_seen_subcommand_from create run' -l no-new-keyring -d 'keep the session keyring'
complete -c ucrun -n '__fish_seen_subcommand_from run exec' -s d -l detach -d 'do not wait for the end'
complete -c ucrun -n '__fish_seen_subcommand_from exec' -s p -l process -r -F -d 'the process'
complete -c ucrun -n '__fish_seen_subcommand_from exec' -s t -l tty -d 'on a terminal'
complete -c ucrun -n '__fish_seen_subcommand_from kill' -s a -l all -d 'all processes'
complete -c ucrun -n '__fish_seen_subcommand_from kill' -a 'TERM INT QUIT HUP PWR KILL STOP TSTP CONT' -d signal
complete -c ucrun -n '__fish_seen_subcommand_from delete' -s f -l force -d 'also a running one'
complete -c ucrun -n '__fish_seen_subcommand_from list' -s q -l quiet -d 'ids only'
complete -c ucrun -n '__fish_seen_subcommand_from list ps' -s f -l format -x -a 'table json' -d form
complete -c ucrun -n '__fish_seen_subcommand_from update' -s r -l resources -r -F -d 'new limits'
complete -c ucrun -n '__fish_seen_subcommand_from spec' -l rootless -d 'for users other than root'
complete -c ucrun -n '__fish_seen_subcommand_from setup' -a 'podman docker containerd crio' -d engine
complete -c ucrun -n '__fish_seen_subcommand_from setup' -l default -d 'make it the runtime of every container'
complete -c ucrun -n '__fish_seen_subcommand_from setup' -l remove -d 'take it out again'
complete -c ucrun -n '__fish_seen_subcommand_from setup' -l dry-run -d 'only show what would change'
complete -c ucrun -n '__fish_seen_subcommand_from doctor' -l json -d 'print JSON'
complete -c ucrun -n '__fish_seen_subcommand_from doctor' -l fix -d 'remove what is left of containers that are gone'

set -l image '__fish_seen_subcommand_from image'
set -l first_of_image "$image; and not __fish_seen_subcommand_from ls inspect add import rm pack pull push"
complete -c ucrun -n $first_of_image -a ls -d 'list the unikernels'
complete -c ucrun -n $first_of_image -a inspect -d 'show one, or what a file is'
complete -c ucrun -n $first_of_image -a add -d 'put files together to a unikernel'
complete -c ucrun -n $first_of_image -a import -d 'make a unikernel of a file or an image'
complete -c ucrun -n $first_of_image -a rm -d 'remove unikernels'
complete -c ucrun -n $first_of_image -a pack -d 'make an OCI image of one'
complete -c ucrun -n $first_of_image -a pull -d 'fetch one from an image registry'
complete -c ucrun -n $first_of_image -a push -d 'give one to an image registry'
complete -c ucrun -n $image -l json -d 'print JSON'
complete -c ucrun -n "$image; and __fish_seen_subcommand_from inspect rm pack push" -a '(__ucrun_names)' -d unikernel
complete -c ucrun -n "$image; and __fish_seen_subcommand_from inspect import" -F
set -l makes "$image; and __fish_seen_subcommand_from add import"
complete -c ucrun -n $makes -l guest -x -d 'the kind of guest'
complete -c ucrun -n $makes -l kernel -r -F -d 'its kernel'
complete -c ucrun -n $makes -l initrd -r -F -d 'its initial RAM disk'
complete -c ucrun -n $makes -l disk -r -F -d 'a disk image'
complete -c ucrun -n $makes -l root -x -a 'none initrd disk 9p' -d 'where its root file system is'
complete -c ucrun -n $makes -l share -x -a '9p virtiofs' -d 'how it has directories'
complete -c ucrun -n $makes -l cmdline -x -d 'its command line'
complete -c ucrun -n $makes -l version -x -d "the version of the guest's system"
complete -c ucrun -n $makes -l environment -x -a 'own all' -d "what it gets of the container's environment"
complete -c ucrun -n $makes -l memory -x -d 'its memory'
complete -c ucrun -n $makes -l cpus -x -d 'the number of its processors'
complete -c ucrun -n $makes -l port -x -d 'a port that it serves'
complete -c ucrun -n $makes -l machine -x -a 'microvm q35' -d "QEMU's machine"
complete -c ucrun -n "$image; and __fish_seen_subcommand_from add import pull" -l replace -d 'replace the unikernel of that name'
complete -c ucrun -n "$image; and __fish_seen_subcommand_from import pull push" -l tls-verify -x -a 'true false' -d 'whether a trusted certificate is needed'
complete -c ucrun -n "$image; and __fish_seen_subcommand_from import pull push" -l authfile -r -F -d credentials
complete -c ucrun -n "$image; and __fish_seen_subcommand_from rm" -s f -l force -d 'even if containers use them'
complete -c ucrun -n "$image; and __fish_seen_subcommand_from pack" -s o -l output -r -F -d 'archive or directory'
complete -c ucrun -n "$image; and __fish_seen_subcommand_from pack" -l load -d 'put it among the images of podman'

function __ucrun_machines
    ucrun machine ps --all --quiet --no-engines 2>/dev/null
end

set -l machine '__fish_seen_subcommand_from machine'
set -l first_of_machine "$machine; and not __fish_seen_subcommand_from run create start stop restart pause resume update rm ps inspect logs watch enable disable doctor"
complete -c ucrun -n $first_of_machine -a run -d 'make a machine, start it and show its console'
complete -c ucrun -n $first_of_machine -a create -d 'make a machine'
complete -c ucrun -n $first_of_machine -a start -d 'start machines'
complete -c ucrun -n $first_of_machine -a stop -d "press machines' power buttons"
complete -c ucrun -n $first_of_machine -a restart -d 'stop machines and start them again'
complete -c ucrun -n $first_of_machine -a pause -d 'hold machines'
complete -c ucrun -n $first_of_machine -a resume -d 'let held machines go on'
complete -c ucrun -n $first_of_machine -a update -d 'change machines'
complete -c ucrun -n $first_of_machine -a rm -d 'remove machines'
complete -c ucrun -n $first_of_machine -a ps -d 'list machines'
complete -c ucrun -n $first_of_machine -a inspect -d 'show all that is known'
complete -c ucrun -n $first_of_machine -a logs -d 'show what one has written'
complete -c ucrun -n $first_of_machine -a watch -d 'show what happens'
complete -c ucrun -n $first_of_machine -a enable -d 'start machines when the host boots'
complete -c ucrun -n $first_of_machine -a disable -d 'do not start them then'
complete -c ucrun -n $first_of_machine -a doctor -d 'find what does not fit together'
complete -c ucrun -n $machine -l system -d "the host's machines"
complete -c ucrun -n $machine -l user -d "the user's machines"
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from start stop restart pause resume update rm inspect logs watch enable disable" -a '(__ucrun_machines)' -d machine
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from start stop restart pause resume update rm ps inspect enable disable" -s a -l all -d 'all machines'
set -l news "$machine; and __fish_seen_subcommand_from run create"
complete -c ucrun -n $news -a '(__ucrun_names)' -d unikernel
complete -c ucrun -n $news -F
complete -c ucrun -n $news -s n -l name -x -d 'its name'
complete -c ucrun -n $news -l systemd -d 'let systemd keep it'
complete -c ucrun -n $news -l no-systemd -d 'do not'
complete -c ucrun -n $news -s M -l memory -x -d "the guest's memory"
complete -c ucrun -n $news -l cpus -x -d 'processors'
complete -c ucrun -n $news -s p -l port -x -d 'a port'
complete -c ucrun -n $news -s e -l env -x -d 'a variable'
complete -c ucrun -n $news -s v -l volume -r -F -d 'a directory or disk image'
complete -c ucrun -n $news -l network -x -a 'user none bridge:' -d 'its network'
complete -c ucrun -n $news -l guest -x -d 'the kind of guest'
complete -c ucrun -n $news -l cmdline -x -d 'its command line'
complete -c ucrun -n $news -l initrd -r -F -d 'its initial RAM disk'
complete -c ucrun -n $news -l rootfs -r -F -d 'its root file system'
complete -c ucrun -n $news -l kernel-arg -x -d 'a word for its kernel'
complete -c ucrun -n $news -s W -l disable-acceleration -d 'emulate the processor'
complete -c ucrun -n $news -l hostname -x -d 'its host name'
complete -c ucrun -n $news -l rm -d 'remove it when it has ended'
complete -c ucrun -n $news -l restart -x -a 'no on-failure always' -d 'when to start it again'
complete -c ucrun -n $news -l restart-sec -x -d 'how long to wait before that'
complete -c ucrun -n $news -l stop-timeout -x -d 'how long it may take to end'
complete -c ucrun -n $news -s l -l label -x -d 'a label'
complete -c ucrun -n $news -l after -x -a '(__ucrun_machines)' -d 'a machine to start after'
complete -c ucrun -n $news -l requires -x -a '(__ucrun_machines)' -d 'a machine that it needs'
complete -c ucrun -n $news -l ready-port -x -d 'started when this port answers'
complete -c ucrun -n $news -l activate -d 'start it by the first connection'
complete -c ucrun -n $news -l idle-timeout -x -d 'stop it when idle'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from run" -s d -l detach -d 'do not stay'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from stop restart" -s t -l time -x -d 'how long a guest may take'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from update" -s M -l memory -x -d "the guest's memory"
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from update" -l cpus -x -d 'processors'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from update" -s p -l port -x -d 'a port'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from update" -s e -l env -x -d 'a variable'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from update" -l restart -x -a 'no on-failure always' -d 'when to start it again'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from update" -l restart-sec -x -d 'how long to wait before that'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from update" -s l -l label -x -d 'a label'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from update rm" -s f -l force -d 'all the same'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from ps" -s q -l quiet -d 'only names'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from ps" -s l -l latest -d 'only the last'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from ps" -l format -x -a 'table json yaml' -d 'form'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from inspect" -l format -x -a 'json yaml' -d 'form'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from ps" -s f -l filter -x -d 'KEY=VALUE'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from ps" -l no-engines -d 'no containers'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from logs" -s f -l follow -d 'go on'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from logs" -l since -x -d 'from then on'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from logs" -l until -x -d 'up to then'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from logs" -s n -l tail -x -d 'only the last lines'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from logs" -s t -l timestamps -d 'when each came'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from watch" -l json -d 'lines of JSON'
complete -c ucrun -n "$machine; and __fish_seen_subcommand_from doctor" -l fix -d 'repair'
