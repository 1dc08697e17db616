#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a minimal Debian with apt, with this machine's release and package sources.
# usage: packaging/debian-root.sh ARCHIVE [PACKAGE]...
# An existing archive is kept. ./dev clean removes it.
set -eu
archive=$1
shift
[ ! -f "$archive" ] || exit 0

# shellcheck disable=SC1091 # not ours
. /etc/os-release
# apt's sources. Only files that the system came with are used, not those of other vendors.
list='' parts=''
eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
for sources in "$parts$ID.sources" "$list"; do
	! grep -Eqs '^(deb[[:space:]]|URIs:)' "$sources" || break
	sources=
done
if [ -z "$sources" ]; then
	echo "$0: neither $parts$ID.sources nor $list names an archive: write into one where $PRETTY_NAME is to be had" >&2
	exit 1
fi
mmdebstrap --quiet --variant=minbase --format=tar ${1:+"--include=$*"} "$VERSION_CODENAME" "$archive.part" "$sources"
mv "$archive.part" "$archive"
