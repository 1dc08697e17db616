#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Waits for the load of bench.yaml, and merges the pods' results.
#
#     collect.sh DIRECTORY
#
# DIRECTORY is created. It gets each pod's log and result, and the merged result (merged.json). A pod
# without a result is named and left out. Status 1: a load failed, or a pod was left out.
set -eu
directory=$1
: "${KUBECTL:=kubectl}" "${TCPECHO:=tcpecho}"
mkdir -p "$directory"

# A failed Job never becomes complete. Its activeDeadlineSeconds ends it at the latest.
status=
until [ -n "$status" ]; do
	conditions=$($KUBECTL get job tcpecho-bench --output='jsonpath={.status.conditions[?(@.status=="True")].type}')
	case " $conditions " in
	*" Complete "*) status=0 ;;
	*" Failed "*) status=1 ;;
	*) sleep 1 ;;
	esac
done

set --
for pod in $($KUBECTL get pods --selector=job-name=tcpecho-bench --output=name); do
	result=$directory/${pod#pod/}.json log=$directory/${pod#pod/}.log
	# A log has both streams: the message about a missed limit comes after the document.
	$KUBECTL logs "$pod" >"$log" || true
	sed -n '/^{$/,/^}$/p' "$log" >"$result"
	if [ -s "$result" ]; then
		set -- "$@" "$result"
	else
		rm "$result"
		echo "$pod has no result: $(tail -n 1 "$log")" >&2
		status=1
	fi
done
[ $# -gt 0 ] || exit 1
"$TCPECHO" report merge -o "$directory/merged.json" "$@"
"$TCPECHO" report show "$directory/merged.json"
exit $status
