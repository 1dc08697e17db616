#!/bin/sh
# SPDX-License-Identifier: MIT
# The container image, from a source tree and a Debian that it installs itself: no registry, no daemon.
# usage: packaging/build-image.sh SOURCE_DIRECTORY OUTPUT_DIRECTORY
# Root or any user with a range in /etc/subuid; all that it keeps lies in OUTPUT_DIRECTORY, and is used again.
# Each user has a storage there: in a storage that a user made, what is an image's root's is that user's.
set -eu
source=$(realpath "$1")
output=$(realpath "$2")

# What is mounted is mounted for us alone, and goes when we do.
if [ "$(id -u)" -eq 0 ] && [ -z "${TCPECHO_OWN_MOUNTS:-}" ]; then
	TCPECHO_OWN_MOUNTS=true exec unshare --mount "$0" "$source" "$output"
fi

version=$(sed -n "s/^  version: '\(.*\)',$/\1/p" "$source/meson.build")
# The same source, the same image: its files are as old as the package's last change.
date=$(date --date "$(dpkg-parsechangelog --file "$source/packaging/deb/changelog" --show-field Date)" +%s)

run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
storage() {
	buildah --root "$output/images-$(id -u)" --runroot "$run" --storage-driver "$driver" "$@"
}
# Overlays are fast; where this file system cannot have them, each layer is a copy.
driver=overlay
storage info >/dev/null 2>&1 || driver=vfs

"$source/packaging/debian-root.sh" "$output/base.tar"
if ! storage inspect --type image localhost/debian >/dev/null 2>&1; then
	printf 'FROM scratch\nADD base.tar /\n' | storage build --quiet --file - --tag localhost/debian "$output" >/dev/null
fi

# chroot: a container inside of one, or of a user's, cannot have more. docker: the other format has no
# HEALTHCHECK.
log=$output/image.log
if ! storage build --isolation chroot --layers --force-rm --format docker --timestamp "$date" \
	--build-arg BASE=localhost/debian --build-arg VERSION="$version" \
	--file "$source/packaging/container/Containerfile" --tag localhost/tcpecho "$source" >"$log" 2>&1; then
	cat "$log" >&2
	exit 1
fi
archive=$output/tcpecho-$version-image.tar
rm -f "$archive"
storage push --quiet localhost/tcpecho "docker-archive:$archive:localhost/tcpecho:$version"
