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

/* Column of the meanings of exit statuses. */
#define STATUS_COLUMN 9

#define LINE_WIDTH 79

/* Writes words, and begins a line at `indent` where the next word would exceed LINE_WIDTH. */
static void print_wrapped(FILE *out, const char *text, size_t indent)
{
	size_t column = indent;
	while (*text != '\0') {
		size_t word = strcspn(text, " ");
		if (column > indent && column + 1 + word > LINE_WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		}
		column +=
			(size_t)fprintf(out, "%s%.*s", column > indent ? " " : "", (int)word, text);
		text += word + (text[word] == ' ');
	}
	fputc('\n', out);
}

/* Lists the commands, or the subcommands of one. */
static void list_commands(FILE *out, const struct command *parent)
{
	const struct command *command;
	fprintf(out, "\ncommands:\n");
	for (size_t i = 0; (command = command_sub(parent, i)) != NULL; i++)
		fprintf(out, "  %-10s %s\n", command->name, command->summary);
}

void help_program(FILE *out)
{
	fprintf(out, "usage: tcpecho COMMAND [OPTION]... [OPERAND]...\n\n"
		     "A TCP echo server, and clients that verify every byte that comes back.\n");
	list_commands(out, NULL);
	fprintf(out, "\nsee 'tcpecho COMMAND --help' for one command, "
		     "'tcpecho --version' for the version\n");
}

static void help_print_option(FILE *out, const struct option_row *row)
{
	char left[64], right[512], letter[8] = "    ", words[128] = "", between[3] = "";
	const char *preset = option_default(row);
	if (row->letter != 0)
		snprintf(letter, sizeof(letter), "-%c, ", row->letter);
	snprintf(left, sizeof(left), "  %s--%s%s%s", letter, row->name,
		 row->value_name != NULL ? " " : "",
		 row->value_name != NULL ? row->value_name : "");
	if (row->kind == OPTION_CHOICE) {
		option_choices(row, ", ", words, sizeof(words));
		strcpy(between, ": ");
	}
	snprintf(right, sizeof(right), "%s%s%s%s%s%s", row->help, between, words,
		 preset != NULL ? " (default: " : "", preset != NULL ? preset : "",
		 preset != NULL ? ")" : "");
	fprintf(out, "%-*s", COLUMN, left);
	print_wrapped(out, right, COLUMN);
}

static void print_options(FILE *out, const struct command *command)
{
	const struct option_group *group = command->groups;
	if (group == NULL)
		fprintf(out, "\noptions:\n");
	for (size_t i = 0; i < command->n_options; i++) {
		if (group != NULL && group->heading != NULL && group->first == i)
			fprintf(out, "\n%s:\n", group++->heading);
		help_print_option(out, &command->options[i]);
	}
	fprintf(out, "%-*s%s\n", COLUMN, "  -h, --help", "show this help");
	if (command->n_options > 0)
		fprintf(out, "\nenvironment: each option has a variable, such as %s\n",
			option_variable(command, &command->options[0]).name);
}

void help_on_command(FILE *out, const struct command *command)
{
	const struct command_name name = command_full_name(command, ' ');
	bool has_commands = command_sub(command, 0) != NULL;
	fprintf(out, "usage: tcpecho %s%s%s%s\n\n", name.text,
		command->n_options > 0 ? " [OPTION]..." : "",
		*command_operands(command) != '\0' ? " " : "", command_operands(command));
	for (const char *const *at = command->description; *at != NULL; at++) {
		if (at != command->description)
			fputc('\n', out);
		print_wrapped(out, *at, 0);
	}
	if (has_commands)
		list_commands(out, command);
	print_options(out, command);
	if (has_commands)
		fprintf(out, "\nsee 'tcpecho %s COMMAND --help' for the options of a command\n",
			name.text);
	fprintf(out, "\nexit status:\n");
	for (const struct exit_status_row *at = command_statuses(command); at->sentence != NULL;
	     at++) {
		fprintf(out, "  %d      ", (int)at->status);
		print_wrapped(out, at->sentence, STATUS_COLUMN);
	}
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
