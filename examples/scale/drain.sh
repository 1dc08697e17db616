#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Takes a server out of HAProxy's fleet: HAProxy sends it no new connections, and the script waits
# until its connections have ended. Then the server can be stopped. Run it where HAProxy is; needs socat.
#
#     drain.sh SERVER [SECONDS]     waits for at most SECONDS (default: 60); status 1: connections
#                                   stay, 2: HAProxy has no such server
set -eu
server=$1 seconds=${2:-60}

ask() {
	echo "$1" | socat - /run/haproxy.sock
}

# The fifth column of `show stat` is scur: the server's current sessions.
sessions() {
	ask "show stat" | awk -F, -v server="$server" '$1 == "fleet" && $2 == server { print $5 }'
}

[ -n "$(sessions)" ] || { echo "fleet has no server $server" >&2; exit 2; }
ask "set server fleet/$server state drain"
until [ "$(sessions)" = 0 ]; do
	[ "$seconds" -gt 0 ] || { echo "$(sessions) connections stay with $server" >&2; exit 1; }
	seconds=$((seconds - 1))
	sleep 1
done
