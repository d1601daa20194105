#!/dev/.initrd/bin/sh
# udhcpc calls this when a lease begins, changes and ends: its name is in $1, what it offers in the environment.
# shellcheck shell=dash disable=SC2154
case $1 in
  deconfig)
    ifconfig "$interface" 0.0.0.0 up
    ;;
  bound | renew)
    ifconfig "$interface" "$ip" netmask "${subnet:-255.255.255.0}"
    if [ "$1" = bound ] && [ -n "$router" ]; then
      ip route add default via "${router%% *}" dev "$interface" onlink
    fi
    for server in $dns; do
      echo "nameserver $server"
    done >/dev/.initrd/etc/resolv.conf
    ;;
esac
