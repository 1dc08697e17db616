/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <string.h>

#include "base/exit_status.h"
#include "cli/docgen.h"
#include "cli/option.h"
#include "version.h"

/* Line width of the source, not of the page. */
#define LINE_WIDTH 72

/* Writes a title in upper case. */
static void print_title(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		fputc(toupper((unsigned char)*text), out);
}

/*
 * Writes one character of plain text. A bare backslash would begin an escape; a bare dash is a
 * hyphen.
 */
static size_t print_character(FILE *out, char character)
{
	if (character == '\\')
		return (size_t)fprintf(out, "\\e");
	if (character == '-')
		return (size_t)fprintf(out, "\\-");
	fputc(character, out);
	return 1;
}

static bool ends_sentence(const char *word, size_t length)
{
	return length > 0 && strchr(".?", word[length - 1]) != NULL;
}

/*
 * Writes plain text as mdoc(7). A line must not begin with a dot or a quote, which would be a
 * macro. Each sentence begins a new line, so that the formatter can space it. Lines must not be too
 * long.
 */
static void print_text(FILE *out, const char *text)
{
	size_t column = 0;
	while (*text != '\0') {
		size_t length = strcspn(text, " ");
		if (column > 0 && column + 1 + length > LINE_WIDTH) {
			fputc('\n', out);
			column = 0;
		}
		if (column > 0)
			column += (size_t)fprintf(out, " ");
		else if (strchr(".'", *text) != NULL)
			fputs("\\&", out);
		for (size_t i = 0; i < length; i++)
			column += print_character(out, text[i]);
		if (ends_sentence(text, length) && text[length] != '\0') {
			fputc('\n', out);
			column = 0;
		}
		text += length + (text[length] == ' ');
	}
	if (column > 0)
		fputc('\n', out);
}

static void print_capitalized(FILE *out, const char *text)
{
	fputc(toupper((unsigned char)*text), out);
	for (text++; *text != '\0'; text++)
		print_character(out, *text);
}

static void print_sentence(FILE *out, const char *text)
{
	print_capitalized(out, text);
	fputs(".\n", out);
}

static void print_paragraphs(FILE *out, const char *const *paragraphs)
{
	for (const char *const *at = paragraphs; *at != NULL; at++) {
		if (at != paragraphs)
			fputs(".Pp\n", out);
		print_text(out, *at);
	}
}

static void print_head(FILE *out, const char *name, const char *summary)
{
	fprintf(out, ".\\\" Made from the option tables: do not edit.\n.Dd %s\n.Dt ",
		TCPECHO_MAN_DATE);
	print_title(out, name);
	fprintf(out, " 1\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n", name, summary);
}

/*
 * Writes "HOST [PORT]", "[HOST [PORT]]" or "[ADDRESS]..." as mdoc; "" means no operands. An Op
 * lasts to the end of the line, where all brackets are closed.
 */
static void print_operands(FILE *out, const char *operands)
{
	for (const char *at = operands; *at != '\0';) {
		const char *before = at == operands ? "." : " ";
		size_t n = strcspn(at, " []");
		if (*at == '[')
			fprintf(out, "%sOp", before);
		else if (n > 0 && at > operands && at[-1] == '[')
			fprintf(out, " Ar %.*s", (int)n, at);
		else if (n > 0 && *at == '.')
			fputs(" ...", out);
		else if (n > 0)
			fprintf(out, "%sAr %.*s", before, (int)n, at);
		at += n > 0 ? n : 1;
	}
	if (*operands != '\0')
		fputc('\n', out);
}

static void print_option_synopsis(FILE *out, const struct option_row *row)
{
	if (row->letter != 0)
		fprintf(out, ".Op Fl %c", row->letter);
	else
		fprintf(out, ".Op Fl \\-%s", row->name);
	if (row->value_name != NULL)
		fprintf(out, " Ar %s", row->value_name);
	fputc('\n', out);
}

static void man_print_option(FILE *out, const struct option_row *row)
{
	fputs(".It", out);
	if (row->letter != 0) {
		fprintf(out, " Fl %c", row->letter);
		if (row->value_name != NULL)
			fprintf(out, " Ar %s", row->value_name);
		fputs(" ,", out);
	}
	fprintf(out, " Fl \\-%s", row->name);
	if (row->value_name != NULL)
		fprintf(out, " Ar %s", row->value_name);
	fputc('\n', out);
	print_text(out, row->details);
	if (option_default(row) != NULL && strstr(row->details, "default") == NULL)
		fprintf(out, "The default is\n.Cm %s .\n", option_default(row));
}

/* The options of a group are a list below its heading, as in --help. */
static void man_print_options(FILE *out, const struct command *command)
{
	const struct option_group *group = command->groups;
	fputs(".Sh OPTIONS\n", out);
	if (group == NULL)
		fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < command->n_options; i++) {
		if (group != NULL && group->heading != NULL && group->first == i) {
			fprintf(out, "%s.Ss ", i > 0 ? ".El\n" : "");
			print_capitalized(out, group++->heading);
			fputs("\n.Bl -tag -width Ds\n", out);
		}
		man_print_option(out, &command->options[i]);
	}
	fputs(".It Fl h , Fl \\-help\nShow a summary of the options.\n.El\n", out);
}

/* Lists commands with their pages. */
static void print_commands(FILE *out, const struct command *parent)
{
	const struct command *command;
	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; (command = command_sub(parent, i)) != NULL; i++) {
		if (command->has_page)
			fprintf(out, ".It Xr tcpecho-%s 1\n", command_full_name(command, '-').text);
		else
			fprintf(out, ".It Cm %s\n", command->name);
		print_sentence(out, command->summary);
	}
	fputs(".El\n", out);
}

static void print_environment(FILE *out, const struct command *command)
{
	if (command->n_options == 0)
		return;
	fputs(".Sh ENVIRONMENT\n"
	      "Each option can be set by a variable.\n"
	      "The command line has priority.\n"
	      "The value of an option without an argument is 1 or 0.\n"
	      ".Pp\n.Bl -tag -width Ds -compact\n",
	      out);
	for (size_t i = 0; i < command->n_options; i++) {
		const struct option_row *row = &command->options[i];
		fprintf(out, ".It Ev %s\n.Fl \\-%s\n", option_variable(command, row).name,
			row->name);
	}
	fputs(".El\n", out);
}

static void print_status(FILE *out, const struct exit_status_row *rows)
{
	fputs(".Sh EXIT STATUS\n.Bl -tag -width 128+N -compact\n", out);
	for (const struct exit_status_row *at = rows; at->sentence != NULL; at++) {
		fprintf(out, ".It %d\n", (int)at->status);
		print_sentence(out, at->sentence);
	}
	fputs(".It 128+N\nEnded by signal N.\n.El\n", out);
}

static void print_examples(FILE *out, const struct command *command)
{
	fputs(".Sh EXAMPLES\n.Bl -tag -width Ds\n", out);
	for (const struct man_example *at = command->examples; at->command != NULL; at++) {
		fprintf(out, ".It Li \"%s\"\n", at->command);
		print_text(out, at->explanation);
	}
	fputs(".El\n", out);
}

/* Returns the command whose full name follows `name` in alphabetical order, or NULL. */
static const struct command *next_by_name(const char *name)
{
	const struct command *next = NULL;
	for (const struct command *const *at = commands; *at != NULL; at++) {
		const struct command_name full = command_full_name(*at, '-');
		bool is_after = (*at)->has_page && strcmp(full.text, name) > 0;
		if (is_after &&
		    (next == NULL || strcmp(full.text, command_full_name(next, '-').text) < 0))
			next = *at;
	}
	return next;
}

/* Writes the other pages in alphabetical order. page: the command's name, NULL: tcpecho(1). */
static void print_see_also(FILE *out, const char *page)
{
	fputs(".Sh SEE ALSO\n", out);
	const char *before = "";
	struct command_name name = { "" };
	if (page != NULL) {
		fputs(".Xr tcpecho 1", out);
		before = " ,\n";
	}
	for (const struct command *at; (at = next_by_name(name.text)) != NULL;) {
		name = command_full_name(at, '-');
		if (page != NULL && strcmp(name.text, page) == 0)
			continue;
		fprintf(out, "%s.Xr tcpecho-%s 1", before, name.text);
		before = " ,\n";
	}
	fputc('\n', out);
}

static void print_standards(FILE *out)
{
	fputs(".Sh STANDARDS\n.Rs\n.%A J. Postel\n.%T Echo Protocol\n.%R RFC 862\n"
	      ".%D May 1983\n.Re\n",
	      out);
}

static void print_synopsis(FILE *out, const struct command *command)
{
	fprintf(out, ".Sh SYNOPSIS\n.Nm tcpecho %s\n", command_full_name(command, ' ').text);
	if (command_sub(command, 0) != NULL) {
		fputs(".Ar COMMAND\n.Op Ar OPTION ...\n.Ar FILE ...\n", out);
		return;
	}
	for (size_t i = 0; i < command->n_options; i++)
		print_option_synopsis(out, &command->options[i]);
	print_operands(out, command_operands(command));
}

void docgen_man_command(FILE *out, const struct command *command)
{
	const struct command_name page = command_full_name(command, '-');
	char name[64];
	snprintf(name, sizeof(name), "tcpecho-%s", page.text);
	print_head(out, name, command->summary);
	print_synopsis(out, command);
	fputs(".Sh DESCRIPTION\n", out);
	print_paragraphs(out, command->description);
	if (command_sub(command, 0) != NULL) {
		fputs(".Pp\nThe commands are:\n", out);
		print_commands(out, command);
	}
	man_print_options(out, command);
	for (const struct man_section *at = command->sections; at != NULL && at->title != NULL;
	     at++) {
		fprintf(out, ".Sh %s\n", at->title);
		print_paragraphs(out, at->paragraphs);
	}
	print_environment(out, command);
	print_status(out, command_statuses(command));
	print_examples(out, command);
	if (command->diagnostics != NULL) {
		fputs(".Sh DIAGNOSTICS\n", out);
		print_paragraphs(out, command->diagnostics);
	}
	print_see_also(out, page.text);
	print_standards(out);
}

void docgen_man_program(FILE *out)
{
	print_head(out, "tcpecho", "TCP echo server, and clients that verify every byte");
	fputs(".Sh SYNOPSIS\n.Nm\n.Ar COMMAND\n.Op Ar OPTION ...\n.Op Ar OPERAND ...\n"
	      ".Nm\n.Fl \\-help | \\-version\n"
	      ".Sh DESCRIPTION\nThe commands are:\n",
	      out);
	print_commands(out, NULL);
	print_status(out, status_rows);
	print_see_also(out, NULL);
	print_standards(out);
}
