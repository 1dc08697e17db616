#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the Debian package of a source tree and checks it with lintian. Needs no root.
# usage: packaging/build-deb.sh SOURCE_DIRECTORY
# The packages are created beside that directory, as by dpkg-buildpackage(1).
set -eu
cd "$1"

rm -rf debian
cp -R packaging/deb debian
log=../deb.log
if ! dpkg-buildpackage --unsigned-source --unsigned-changes --build=binary >$log 2>&1; then
	cat $log >&2
	exit 1
fi
# unknown-field: lintian of Debian 12 does not know dpkg's Static-Built-Using.
# packaging/deb/tcpecho.lintian-overrides has the other exceptions and their reasons.
lintian --allow-root --pedantic --display-info --suppress-tags unknown-field \
	--fail-on error,warning,info,pedantic ../tcpecho_*.changes
