/* SPDX-License-Identifier: MIT */
#include "cli/help.h"

#include <string.h>

#include "base/exit_status.h"
#include "cli/option.h"
#include "server/engine.h"
#include "server/sandbox.h"
#include "version.h"

/* Column of the explanations. */
#define COLUMN 30

#define LINE_WIDTH 78

void help_program(FILE *out)
{
	fprintf(out, "usage: tcpecho COMMAND [OPTION]... [OPERAND]...\n\n"
		     "A TCP echo server, and a client that proves what came back.\n\n"
		     "commands:\n");
	for (const struct command *const *at = commands; *at != NULL; at++)
		fprintf(out, "  %-10s %s\n", (*at)->name, (*at)->summary);
	fprintf(out, "\n`tcpecho COMMAND --help` explains one, "
		     "`tcpecho --version` says which this is\n");
}

static void help_print_option(FILE *out, const struct option_row *row)
{
	char left[64], letter[8] = "    ";
	if (row->letter != 0)
		snprintf(letter, sizeof(letter), "-%c, ", row->letter);
	snprintf(left, sizeof(left), "  %s--%s%s%s", letter, row->name,
		 row->value_name != NULL ? " " : "",
		 row->value_name != NULL ? row->value_name : "");
	fprintf(out, "%-*s%s", COLUMN, left, row->help);
	if (row->kind == OPTION_CHOICE) {
		char words[128];
		option_choices(row, ", ", words, sizeof(words));
		fprintf(out, ": %s", words);
	}
	if (row->preset != NULL)
		fprintf(out, " (default: %s)", row->preset);
	fputc('\n', out);
}

/* Prints a paragraph in lines of at most LINE_WIDTH. */
static void print_wrapped(FILE *out, const char *text)
{
	size_t column = 0;
	while (*text != '\0') {
		size_t word = strcspn(text, " ");
		if (column > 0 && column + 1 + word > LINE_WIDTH) {
			fputc('\n', out);
			column = 0;
		}
		column += (size_t)fprintf(out, "%s%.*s", column > 0 ? " " : "", (int)word, text);
		text += word + (text[word] == ' ');
	}
	fputs("\n", out);
}

void help_on_command(FILE *out, const struct command *command)
{
	fprintf(out, "usage: tcpecho %s%s%s%s\n\n", command->name,
		command->n_options > 0 ? " [OPTION]..." : "",
		*command_operands(command) != '\0' ? " " : "", command_operands(command));
	for (const char *const *at = command->description; *at != NULL; at++) {
		if (at != command->description)
			fputc('\n', out);
		print_wrapped(out, *at);
	}
	fprintf(out, "\noptions:\n");
	for (size_t i = 0; i < command->n_options; i++)
		help_print_option(out, &command->options[i]);
	fprintf(out, "%-*s%s\n", COLUMN, "  -h, --help", "show this");
	if (command->n_options > 0)
		fprintf(out,
			"\neach option can also be set in the environment, as %s is for --%s\n",
			option_variable(command, &command->options[0]).name,
			command->options[0].name);
	fprintf(out, "\nexit status:\n");
	for (const struct exit_status_row *at = command_statuses(command); at->sentence != NULL;
	     at++)
		fprintf(out, "  %d      %s\n", (int)at->status, at->sentence);
	fprintf(out, "  128+N  ended by signal N\n");
}

void help_version(FILE *out)
{
	fprintf(out, "tcpecho %s\nengines:", TCPECHO_VERSION);
	for (const struct engine *const *at = engines; *at != NULL; at++)
		fprintf(out, " %s", (*at)->name);
	fprintf(out, "\naddresses: ipv4 ipv6 unix\nsandbox: %s\n",
		sandbox_is_built_in() ? "seccomp landlock" : "none");
}
