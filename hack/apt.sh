# shellcheck shell=bash
# What scripts that take files out of the distribution's packages share; to be sourced. Nothing is installed, and apt has
# checked the signatures.

# Fetches the lists of packages.
apt_update() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
      echo 'apt: the package lists are missing or out of date: run apt-get update as root' >&2
      return 1
    }
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get -qq -o Acquire::Retries=3 update </dev/null
}

# Downloads packages into a directory: apt_download DIRECTORY NAME...
apt_download() {
  local directory=$1 options=()
  shift
  # apt drops root's rights for a download, and then could not write into a directory of root's.
  [ "$(id -u)" -ne 0 ] || options=(-o APT::Sandbox::User=root)
  (cd "$directory" && apt-get -qq "${options[@]}" -o Acquire::Retries=3 download "$@") </dev/null
}
