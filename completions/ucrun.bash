# bash completion for ucrun

# Ids of containers, of the crun root that is on the command line.
_ucrun_ids() {
  local index root=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    if [[ ${COMP_WORDS[index]} == --root ]]; then
      root=(--root "${COMP_WORDS[index + 1]#=}")
      # bash splits --root=DIRECTORY at the equals sign
      [[ ${root[1]} ]] || root[1]=${COMP_WORDS[index + 2]}
    fi
  done
  "${COMP_WORDS[0]}" "${root[@]}" list --quiet 2>/dev/null
}

_ucrun_names() {
  "${COMP_WORDS[0]}" image ls 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_ucrun_machines() {
  "${COMP_WORDS[0]}" machine ps --all --quiet --no-engines 2>/dev/null
}

# The words after "machine" of which one may come next.
_ucrun_machine() {
  local current=$1 command='' word seen=''
  for word in "${COMP_WORDS[@]:0:COMP_CWORD}"; do
    if [[ $seen && -z $command && $word != -* ]]; then command=$word; fi
    [[ $word != machine ]] || seen=1
  done
  if [[ -z $command ]]; then
    echo 'run create start stop restart pause resume update rm ps inspect logs watch enable disable doctor'
    [[ $current != -* ]] || echo '--system --user'
  elif [[ $current == -* ]]; then
    local settings='--name --systemd --no-systemd --memory --cpus --port --env --volume --network --guest --cmdline --initrd --rootfs --kernel-arg --disable-acceleration --hostname --rm --restart --restart-sec --stop-timeout --label --after --requires --ready-port --activate --idle-timeout'
    echo '--system --user'
    case $command in
      run) echo "--detach $settings" ;;
      create) echo "$settings" ;;
      start | pause | resume | enable | disable) echo --all ;;
      stop | restart) echo '--all --time' ;;
      update) echo '--all --memory --cpus --port --env --restart --restart-sec --label --force' ;;
      rm) echo '--all --force' ;;
      ps) echo '--all --quiet --latest --format --filter --no-engines' ;;
      inspect) echo '--all --format' ;;
      logs) echo '--follow --since --until --tail --timestamps' ;;
      watch) echo --json ;;
      doctor) echo --fix ;;
    esac
  else
    case $command in
      run | create) _ucrun_names ;;
      ps | doctor) ;;
      *) _ucrun_machines ;;
    esac
  fi
}

# The words after "image" of which one may come next; options that take a value count it as a word of its own.
_ucrun_image() {
  local current=$1 positionals=$2 command='' word seen=''
  for word in "${COMP_WORDS[@]:0:COMP_CWORD}"; do
    if [[ $seen && -z $command && $word != -* ]]; then command=$word; fi
    [[ $word != image ]] || seen=1
  done
  if [[ -z $command ]]; then
    echo 'ls inspect add import rm pack pull push'
  elif [[ $current == -* ]]; then
    local settings='--guest --kernel --initrd --disk --root --share --cmdline --version --environment --memory --cpus --port --machine'
    case $command in
      add) echo "--json --replace $settings" ;;
      import) echo "--json --replace $settings --tls-verify=false --authfile" ;;
      rm) echo '--json --force' ;;
      pack) echo '--json --output --load' ;;
      pull) echo '--json --replace --tls-verify=false --authfile' ;;
      push) echo '--json --tls-verify=false --authfile' ;;
      *) echo --json ;;
    esac
  else
    case $command in
      rm) _ucrun_names ;;
      inspect | pack | push) [[ $positionals -gt 1 ]] || _ucrun_names ;;
    esac
  fi
}

_ucrun() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local verb='' index words='' positionals=0
  COMPREPLY=()

  # --option=VALUE arrives as three words
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi

  for ((index = 1; index < COMP_CWORD; index++)); do
    case ${COMP_WORDS[index]} in
      --root | --log | --log-format | --bundle | --config | --console-socket | --pid-file | --preserve-fds | --format | \
        --process | --resources | -b | -r | \
        --guest | --kernel | --initrd | --disk | --share | --cmdline | --environment | --memory | --cpus | --port | --machine | --output | --authfile | -o | \
        --name | --env | --volume | --network | --rootfs | --kernel-arg | --hostname | --restart | --restart-sec | --stop-timeout | --label | \
        --after | --requires | --ready-port | --idle-timeout | --time | --filter | --since | --until | --tail)
        [[ ${COMP_WORDS[index + 1]} != = ]] || ((index++))
        ((index++))
        ;;
      -*) ;;
      *) if [[ -z $verb ]]; then verb=${COMP_WORDS[index]}; else ((positionals++)); fi ;;
    esac
  done

  case $previous in
    --bundle | -b | --root)
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      compopt -o filenames 2>/dev/null
      return
      ;;
    --log | --config | --console-socket | --pid-file | --process | --resources | --kernel | --initrd | --disk | --output | --authfile | -o | --rootfs | --volume)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      compopt -o filenames 2>/dev/null
      return
      ;;
    --log-format) words='text json' ;;
    --format)
      words='table json'
      [[ $verb != machine ]] || words='table json yaml'
      ;;
    --network) words='user none bridge:' ;;
    --restart) words='no on-failure always' ;;
    --after | --requires) words=$(_ucrun_machines) ;;
    --machine) words='microvm q35' ;;
    --share) words='9p virtiofs' ;;
    --environment) words='own all' ;;
    --preserve-fds | --guest | --cmdline | --memory | --cpus | --port | --name | --env | --kernel-arg | --hostname | --restart-sec | --stop-timeout | \
      --label | --ready-port | --idle-timeout | --time | --filter | --since | --until | --tail) return ;;
  esac

  if [[ -z $words ]]; then
    case $verb in
      '')
        words='create start state kill delete run exec pause resume ps list events update spec features image machine setup doctor completion help'
        [[ $current != -* ]] || words='--root --log --log-format --debug --systemd-cgroup --version --help -v -h'
        ;;
      create) words='--bundle --config --console-socket --pid-file --preserve-fds --no-pivot --no-new-keyring' ;;
      run) words='--bundle --config --console-socket --pid-file --preserve-fds --no-pivot --no-new-keyring --detach' ;;
      start | state | pause | resume | events) [[ $positionals -gt 0 ]] || words=$(_ucrun_ids) ;;
      delete)
        if [[ $current == -* ]]; then words=--force; else words=$(_ucrun_ids); fi
        ;;
      kill)
        if [[ $current == -* ]]; then
          words=--all
        elif [[ $positionals -eq 0 ]]; then
          words=$(_ucrun_ids)
        else
          words='TERM INT QUIT HUP PWR KILL STOP TSTP CONT'
        fi
        ;;
      exec)
        if [[ $current == -* ]]; then
          words='--process --console-socket --pid-file --preserve-fds --cwd --env --user --tty --detach'
        elif [[ $positionals -eq 0 ]]; then
          words=$(_ucrun_ids)
        fi
        ;;
      ps)
        if [[ $current == -* ]]; then words=--format; elif [[ $positionals -eq 0 ]]; then words=$(_ucrun_ids); fi
        ;;
      update)
        if [[ $current == -* ]]; then words=--resources; elif [[ $positionals -eq 0 ]]; then words=$(_ucrun_ids); fi
        ;;
      list) words='--quiet --format' ;;
      spec) words='--bundle --rootless' ;;
      doctor) words='--json --fix' ;;
      setup)
        if [[ $current == -* ]]; then
          words='--default --remove --dry-run'
        elif [[ $positionals -eq 0 ]]; then
          words='podman docker containerd crio'
        fi
        ;;
      image) words=$(_ucrun_image "$current" "$positionals") ;;
      machine) words=$(_ucrun_machine "$current") ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  if [[ ${#COMPREPLY[@]} -eq 0 && " ${COMP_WORDS[*]} " =~ ' '(image (inspect|import)|machine (run|create))' ' ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    compopt -o filenames 2>/dev/null
  fi
}

complete -F _ucrun ucrun
