#!/bin/sh
# SPDX-License-Identifier: MIT
# A new Debian, as small as apt can be had, of this machine's release and from this machine's sources.
# usage: packaging/debian-root.sh ARCHIVE [PACKAGE]...
# An archive that is there already is left as it is: ./dev clean removes it, and with it what has become old.
set -eu
archive=$1
shift
[ ! -f "$archive" ] || exit 0

sources=/etc/apt/sources.list.d/debian.sources
[ -f $sources ] || sources=/etc/apt/sources.list
# shellcheck disable=SC1091 # not ours
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
mmdebstrap --quiet --variant=minbase --format=tar ${1:+"--include=$*"} "$release" "$archive.part" $sources
mv "$archive.part" "$archive"
