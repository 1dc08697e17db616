#!/bin/sh
# SPDX-License-Identifier: MIT
# A new Debian, as small as apt can be had, of this machine's release and from this machine's sources.
# usage: packaging/debian-root.sh ARCHIVE [PACKAGE]...
# An archive that is there already is left as it is: ./dev clean removes it, and with it what has become old.
set -eu
archive=$1
shift
[ ! -f "$archive" ] || exit 0

# shellcheck disable=SC1091 # not ours
. /etc/os-release
# Where apt looks. Of the files there, only those that the system came with: the others are other people's.
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
