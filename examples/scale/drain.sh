#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Takes a server out of HAProxy's fleet: no new connections, and waits until those that it has have
# ended. Then it can be stopped. To be run where HAProxy is; needs socat.
#
#     drain.sh SERVER [SECONDS]     waits for so long at most, 60 by default; status 1: some stay,
#                                   2: HAProxy has no such server
set -eu
server=$1 patience=${2:-60}

ask() {
	echo "$1" | socat - /run/haproxy.sock
}

# The fifth column of `show stat` is scur: its sessions at this moment.
sessions() {
	ask "show stat" | awk -F, -v server="$server" '$1 == "fleet" && $2 == server { print $5 }'
}

[ -n "$(sessions)" ] || { echo "fleet has no server $server" >&2; exit 2; }
ask "set server fleet/$server state drain"
until [ "$(sessions)" = 0 ]; do
	[ "$patience" -gt 0 ] || { echo "$(sessions) connections stay with $server" >&2; exit 1; }
	patience=$((patience - 1))
	sleep 1
done
