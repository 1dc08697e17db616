#!/bin/bash
# SPDX-License-Identifier: MIT
#
# One load from many machines, which begin together; then one result.
#
#     together.sh HOSTS DIRECTORY [ARGUMENT of tcpecho bench]...
#
# HOSTS: a file of machines, as ssh(1) knows them, one a line. DIRECTORY: is made; each machine's
# result goes there, their sum, merged.json, and clocks.txt: how far each clock is from the one here.
# Here: bash, GNU parallel, ssh, tcpecho. There: tcpecho, and a key that lets you in.
# From the environment: SSH, TCPECHO (their names), LEAD (seconds until the start).
# shellcheck disable=SC2317 # the functions are called by parallel
set -eu
export LC_ALL=C # EPOCHREALTIME and awk write a point, not a comma
hosts=$1 directory=$2
shift 2
: "${SSH:=ssh}" "${TCPECHO:=tcpecho}" "${LEAD:=10}"
mkdir -p "$directory"
printf -v arguments '%q ' "$@"

# clock_of HOST: asks it five times for the time, over one connection. It answered between our
# question and its arrival, so it is uncertain by half of that: the quickest answer is kept.
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

# run_on HOST NUMBER: the load of one machine, with a seed of its own: no other's bytes pass for its.
run_on() {
	$SSH "$1" "$TCPECHO bench --json --quiet --start-at $start --seed $2 $arguments" >"$directory/$1.json"
}

SHELL=$(command -v bash) # it is by this that parallel calls the functions
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
