#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the container image from a source tree and a Debian that it installs: no registry, no daemon.
# usage: packaging/build-image.sh SOURCE_DIRECTORY OUTPUT_DIRECTORY
# For root, or a user with a range in /etc/subuid. Files in OUTPUT_DIRECTORY are used again by the next run.
# Each user has a separate storage there, because root's files of an image belong to the user that made it.
set -eu
source=$(realpath "$1")
output=$(realpath "$2")

# A mount namespace: mounts vanish at the end.
if [ "$(id -u)" -eq 0 ] && [ -z "${TCPECHO_OWN_MOUNTS:-}" ]; then
	TCPECHO_OWN_MOUNTS=true exec unshare --mount "$0" "$source" "$output"
fi

version=$(sed -n "s/^  version: '\(.*\)',$/\1/p" "$source/meson.build")
# Reproducible: files get the date of the package's last change.
date=$(date --date "$(dpkg-parsechangelog --file "$source/packaging/deb/changelog" --show-field Date)" +%s)

run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
storage() {
	buildah --root "$output/images-$(id -u)" --runroot "$run" --storage-driver "$driver" "$@"
}
# Overlays are fast; on file systems without them, each layer is a copy.
driver=overlay
storage info >/dev/null 2>&1 || driver=vfs

"$source/packaging/debian-root.sh" "$output/base.tar"
if ! storage inspect --type image localhost/debian >/dev/null 2>&1; then
	printf 'FROM scratch\nADD base.tar /\n' | storage build --quiet --file - --tag localhost/debian "$output" >/dev/null
fi

# chroot: a container in a container, or of a user, can have no more isolation. docker: the OCI format has
# no HEALTHCHECK.
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
