#!/bin/sh
# What httpd answers to a request for /.
read -r uptime _ </proc/uptime
read -r name </proc/sys/kernel/hostname
address=$(/srv/address)
printf 'Content-Type: application/json\r\n\r\n'
printf '{"name":"%s","uptime":%s,"address":"%s"}\n' "$name" "$uptime" "$address"
