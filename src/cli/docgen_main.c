/* SPDX-License-Identifier: MIT */
/*
 * Build tool, not installed: writes one document to standard output.
 *
 *   docgen man tcpecho | docgen man COMMAND | docgen completion bash|zsh|fish
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "cli/docgen.h"

MUST_USE static bool write_man(const char *name)
{
	if (strcmp(name, "tcpecho") == 0) {
		docgen_man_program(stdout);
		return true;
	}
	for (const struct command *const *at = commands; *at != NULL; at++) {
		if (strcmp(command_full_name(*at, '-').text, name) == 0) {
			docgen_man_command(stdout, *at);
			return true;
		}
	}
	return false;
}

MUST_USE static bool write_completion(const char *shell)
{
	static const struct {
		const char *shell;
		void (*write)(FILE *out);
	} writers[] = { { "bash", docgen_bash }, { "zsh", docgen_zsh }, { "fish", docgen_fish } };
	for (size_t i = 0; i < ARRAY_LEN(writers); i++) {
		if (strcmp(writers[i].shell, shell) == 0) {
			writers[i].write(stdout);
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	bool done =
		argc == 3 && ((strcmp(argv[1], "man") == 0 && write_man(argv[2])) ||
			      (strcmp(argv[1], "completion") == 0 && write_completion(argv[2])));
	if (!done || fflush(stdout) != 0) {
		fprintf(stderr, "usage: docgen man tcpecho|COMMAND, docgen completion SHELL\n");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
