#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Waits for the load of bench.yaml, and adds up what its pods wrote.
#
#     collect.sh DIRECTORY
#
# DIRECTORY: is made; each pod's result goes there, and their sum, merged.json.
set -eu
directory=$1
: "${KUBECTL:=kubectl}" "${TCPECHO:=tcpecho}"
mkdir -p "$directory"

status=0
$KUBECTL wait --for=condition=complete --timeout=15m job/tcpecho-bench || status=1
set --
for pod in $($KUBECTL get pods --selector=job-name=tcpecho-bench --output=name); do
	result=$directory/${pod#pod/}.json
	$KUBECTL logs "$pod" >"$result"
	set -- "$@" "$result"
done
"$TCPECHO" report merge "$@" >"$directory/merged.json"
"$TCPECHO" report show "$directory/merged.json"
exit $status
