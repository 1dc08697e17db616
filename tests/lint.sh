#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks the layout and the style of the sources. Changes no file.
# usage: tests/lint.sh BUILD_DIRECTORY
# shellcheck disable=SC2317 # the functions are called by their names
set -u
build=$1
failed=0

# check NAME COMMAND...: COMMAND prints what is wrong, or nothing.
check() {
	name=$1
	shift
	found=$("$@" 2>&1)
	if [ -n "$found" ]; then
		printf '%s:\n%s\n' "$name" "$found"
		failed=1
	fi
}

c_files() {
	git ls-files '*.c' '*.h'
}

layout() {
	c_files | xargs clang-format --dry-run 2>&1 | grep 'warning:'
}

# Columns are counted with tabs of 8, as in the layout.
wide_lines() {
	for file in $(c_files); do
		expand -t 8 "$file" | awk -v file="$file" 'length > 100 { print file ":" NR ": " length " columns" }'
	done
}

# Functions in src/ fit on about a screen. The tables of a parser or a formatter may be longer.
long_functions() {
	ctags -R --languages=C --kinds-C=f --fields=+ne -f - src |
		awk -F'\t' '{
			start = end = 0
			for (i = 4; i <= NF; i++) {
				if ($i ~ /^line:/) start = substr($i, 6)
				if ($i ~ /^end:/) end = substr($i, 5)
			}
			if (end - start >= 60) print $2 ":" start ": " $1 " has " end - start + 1 " lines"
		}'
	wc -l src/*/*.[ch] src/*/*/*.[ch] | awk '$2 != "total" && $1 > 500 { print $2 " has " $1 " lines" }'
}

static_analysis() {
	cppcheck --quiet -j "$(nproc)" --std=c11 --enable=warning,performance,portability --inline-suppr -D_GNU_SOURCE \
		--suppress=missingIncludeSystem -I src src
}

tidy() {
	git ls-files 'src/*.c' | xargs -P "$(nproc)" -n 8 clang-tidy -p "$build" --quiet \
		--extra-arg=-Wno-unknown-warning-option 2>/dev/null | grep -E 'warning:|error:'
}

manual_pages() {
	for page in "$build"/src/*.1; do
		mandoc -T lint -W warning "$page"
	done
}

shell_scripts() {
	shellcheck -s sh dev .ci/run tests/lint.sh packaging/*.sh packaging/deb/*.prerm
	git ls-files 'examples/*.sh' | xargs shellcheck
	bash -n "$build/src/tcpecho"
}

check "layout (./dev format)" layout
check "lines over 100 columns" wide_lines
check "plain words (tests/plain_words.py)" tests/plain_words.py
check "long functions and files" long_functions
check "cppcheck" static_analysis
check "clang-tidy" tidy
check "man pages" manual_pages
check "shell scripts" shell_scripts
[ $failed -eq 0 ] && echo "lint: nothing to say"
exit $failed
