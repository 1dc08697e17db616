#!/bin/sh
# SPDX-License-Identifier: MIT
# The Debian package of a source tree, looked at by lintian. Needs no root.
# usage: packaging/build-deb.sh SOURCE_DIRECTORY
# What it makes lies beside that directory, as dpkg-buildpackage(1) has it.
set -eu
cd "$1"

rm -rf debian
cp -R packaging/deb debian
log=../deb.log
if ! dpkg-buildpackage --unsigned-source --unsigned-changes --build=binary >$log 2>&1; then
	cat $log >&2
	exit 1
fi
# unknown-field: lintian of Debian 12 does not know dpkg's Static-Built-Using. What else is put up with, and
# why, is in packaging/deb/tcpecho.lintian-overrides.
lintian --allow-root --pedantic --display-info --suppress-tags unknown-field \
	--fail-on error,warning,info,pedantic ../tcpecho_*.changes
