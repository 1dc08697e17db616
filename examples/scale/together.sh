#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Runs one load from many machines, which start at the same time, and merges the results.
#
#     together.sh HOSTS DIRECTORY [ARGUMENT of tcpecho bench]...
#
# HOSTS: a file with the ssh(1) names of the machines, one per line. DIRECTORY is created. It gets each
# machine's result, the merged result (merged.json), and each clock's offset from this one (clocks.txt).
# Needed here: bash, GNU parallel, ssh, tcpecho. On the machines: tcpecho, and your ssh key.
# Environment: SSH, TCPECHO (commands), LEAD (seconds until the start).
# shellcheck disable=SC2317 # the functions are called by parallel
set -eu
export LC_ALL=C # EPOCHREALTIME and awk write a point, not a comma
hosts=$1 directory=$2
shift 2
: "${SSH:=ssh}" "${TCPECHO:=tcpecho}" "${LEAD:=10}"
mkdir -p "$directory"
printf -v arguments '%q ' "$@"

# clock_of HOST: asks it five times for the time, over one connection. The reply was made between
# our question and its arrival, so the error is at most half of that time: the quickest reply is
# kept.
clock_of() {
	local answers='' before there
	coproc clock { $SSH "$1" 'for _ in 1 2 3 4 5; do read -r _; date +%s.%N; done'; }
	for _ in 1 2 3 4 5; do
		before=$EPOCHREALTIME
		echo >&"${clock[1]}"
		read -r there <&"${clock[0]}"
		answers+="$before $there $EPOCHREALTIME"$'\n'
	done
	printf %s "$answers" | awk -v host="$1" '
		NR == 1 || $3 - $1 < quickest { quickest = $3 - $1; off = $2 - ($1 + $3) / 2 }
		END { printf "%s %+.6f s, within %.6f s\n", host, off, quickest / 2 }'
}

# run_on HOST NUMBER: the load of one machine, with its own seed, so that bytes of other machines
# are mismatches.
run_on() {
	$SSH "$1" "$TCPECHO bench --json --quiet --start-at $start --seed $2 $arguments" >"$directory/$1.json"
}

SHELL=$(command -v bash) # parallel calls the functions with this shell
export -f clock_of run_on
export SHELL SSH TCPECHO directory arguments start

parallel --jobs 0 --keep-order --arg-file "$hosts" clock_of | tee "$directory/clocks.txt"
start=@$(($(date +%s) + LEAD))
status=0
parallel --jobs 0 --arg-file "$hosts" run_on '{}' '{#}' || status=1

# A machine whose load found a fault has a result, too.
readarray -t results < <(sed "s|.*|$directory/&.json|" "$hosts")
"$TCPECHO" report merge -o "$directory/merged.json" "${results[@]}"
"$TCPECHO" report show "$directory/merged.json"
exit $status
