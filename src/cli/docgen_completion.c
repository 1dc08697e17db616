/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli/docgen.h"
#include "cli/option.h"

static const char notice[] = "# Made from the option tables: do not edit.\n";

/* The words that can follow an option, separated by spaces; empty for a free value. */
struct words {
	char text[256];
};

static struct words words_of(const struct option_row *row)
{
	struct words out = { { 0 } };
	if (row->kind == OPTION_CHOICE)
		option_choices(row, " ", out.text, sizeof(out.text));
	return out;
}

static bool takes_host(const struct command *command)
{
	return strstr(command_operands(command), "HOST") != NULL;
}

static bool takes_command(const struct command *command)
{
	return strstr(command_operands(command), "COMMAND") != NULL;
}

/* Returns whether the operands begin with an operation: "show|merge|diff FILE...". */
static bool takes_operation(const struct command *command)
{
	return strchr(command_operands(command), '|') != NULL;
}

/* Writes "show merge diff". */
static void completion_print_operations(FILE *out, const struct command *command)
{
	for (const char *at = command_operands(command); *at != ' ' && *at != '\0'; at++)
		fputc(*at == '|' ? ' ' : *at, out);
}

static void print_command_names(FILE *out)
{
	for (const struct command *const *at = commands; *at != NULL; at++)
		fprintf(out, "%s%s", at != commands ? " " : "", (*at)->name);
}

/* ---- bash ---- */

/* Writes the cases in which the previous word is an option with a value. */
static void bash_values(FILE *out, const struct command *command)
{
	for (size_t i = 0; i < command->n_options; i++) {
		const struct option_row *row = &command->options[i];
		if (row->kind == OPTION_FLAG)
			continue;
		fprintf(out, "    %s:--%s", command->name, row->name);
		if (row->letter != 0)
			fprintf(out, " | %s:-%c", command->name, row->letter);
		if (row->kind == OPTION_USER)
			fputs(")\n        COMPREPLY=($(compgen -u -- \"$cur\"))", out);
		else
			fprintf(out, ")\n        COMPREPLY=($(compgen -W '%s' -- \"$cur\"))",
				words_of(row).text);
		fputs("\n        return\n        ;;\n", out);
	}
}

static void bash_operands(FILE *out, const struct command *command)
{
	fprintf(out, "    %s)\n        words='--help", command->name);
	for (size_t i = 0; i < command->n_options; i++)
		fprintf(out, " --%s", command->options[i].name);
	fputs("'\n        [[ $cur == -* ]] ||\n            ", out);
	if (takes_host(command)) {
		fputs("mapfile -t COMPREPLY < <(compgen -A hostname -- \"$cur\")\n", out);
	} else if (takes_command(command)) {
		fputs("words='", out);
		print_command_names(out);
		fputs("'\n", out);
	} else if (takes_operation(command)) {
		fputs("if ((COMP_CWORD == 2)); then words='", out);
		completion_print_operations(out, command);
		fputs("'; else mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); fi\n", out);
	} else {
		fputs("words=\n", out);
	}
	fputs("        ;;\n", out);
}

void docgen_bash(FILE *out)
{
	fputs(notice, out);
	fputs("_tcpecho() {\n"
	      "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	      "    local command=${COMP_WORDS[1]} words\n"
	      "    COMPREPLY=()\n"
	      "    if ((COMP_CWORD == 1)); then\n"
	      "        COMPREPLY=($(compgen -W '--help --version ",
	      out);
	print_command_names(out);
	fputs("' -- \"$cur\"))\n        return\n    fi\n    case $command:$prev in\n", out);
	for (const struct command *const *at = commands; *at != NULL; at++)
		bash_values(out, *at);
	fputs("    esac\n    case $command in\n", out);
	for (const struct command *const *at = commands; *at != NULL; at++)
		bash_operands(out, *at);
	fputs("    esac\n"
	      "    ((${#COMPREPLY[@]} > 0)) || COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	      "}\n"
	      "complete -F _tcpecho tcpecho\n",
	      out);
}

/* ---- zsh ---- */

/* Escapes text for single quotes and brackets of an _arguments specification. */
static void zsh_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			fputs("'\\''", out);
		else if (strchr("[]:\\", *text) != NULL)
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
}

static void zsh_option(FILE *out, const struct option_row *row)
{
	fputs("            ", out);
	if (row->letter != 0)
		fprintf(out, "'(-%c --%s)'{-%c,--%s%s}'[", row->letter, row->name, row->letter,
			row->name, row->kind == OPTION_FLAG ? "" : "=");
	else
		fprintf(out, "'--%s%s[", row->name, row->kind == OPTION_FLAG ? "" : "=");
	zsh_text(out, row->help);
	fputc(']', out);
	if (row->kind == OPTION_USER)
		fprintf(out, ":%s:_users", row->value_name);
	else if (row->kind != OPTION_FLAG)
		fprintf(out, ":%s:(%s)", row->value_name, words_of(row).text);
	fputs("' \\\n", out);
}

static void zsh_command(FILE *out, const struct command *command)
{
	fprintf(out, "    %s)\n        _arguments \\\n", command->name);
	for (size_t i = 0; i < command->n_options; i++)
		zsh_option(out, &command->options[i]);
	fputs("            '(-h --help)'{-h,--help}'[show help]'", out);
	if (takes_host(command))
		fputs(" \\\n            '1:HOST:_hosts' \\\n            '2:PORT:'", out);
	else if (takes_command(command))
		fputs(" \\\n            '1:COMMAND:_tcpecho_commands'", out);
	else if (takes_operation(command)) {
		fputs(" \\\n            '1:REPORT:(", out);
		completion_print_operations(out, command);
		fputs(")' \\\n            '*:FILE:_files'", out);
	} else
		fputs(" \\\n            '*:ADDRESS:'", out);
	fputs("\n        ;;\n", out);
}

void docgen_zsh(FILE *out)
{
	fputs("#compdef tcpecho\n", out);
	fputs(notice, out);
	fputs("_tcpecho_commands() {\n    local -a names=(\n", out);
	for (const struct command *const *at = commands; *at != NULL; at++) {
		fprintf(out, "        '%s:", (*at)->name);
		zsh_text(out, (*at)->summary);
		fputs("'\n", out);
	}
	fputs("    )\n    _describe command names\n}\n"
	      "_tcpecho() {\n"
	      "    if ((CURRENT == 2)); then\n"
	      "        _tcpecho_commands\n"
	      "        _arguments '--help[show help]' '--version[show the version]'\n"
	      "        return\n"
	      "    fi\n"
	      "    shift words\n"
	      "    ((CURRENT--))\n"
	      "    case $words[1] in\n",
	      out);
	for (const struct command *const *at = commands; *at != NULL; at++)
		zsh_command(out, *at);
	fputs("    esac\n}\n_tcpecho \"$@\"\n", out);
}

/* ---- fish ---- */

static void fish_text(FILE *out, const char *text)
{
	fputc('\'', out);
	for (; *text != '\0'; text++) {
		if (*text == '\'' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('\'', out);
}

static void fish_option(FILE *out, const struct command *command, const struct option_row *row)
{
	fprintf(out, "complete -c tcpecho -n '__fish_seen_subcommand_from %s' -l %s", command->name,
		row->name);
	if (row->letter != 0)
		fprintf(out, " -s %c", row->letter);
	if (row->kind == OPTION_USER)
		fputs(" -x -a '(__fish_complete_users)'", out);
	else if (row->kind != OPTION_FLAG)
		fprintf(out, " -x -a '%s'", words_of(row).text);
	fputs(" -d ", out);
	fish_text(out, row->help);
	fputc('\n', out);
}

void docgen_fish(FILE *out)
{
	fputs(notice, out);
	fputs("complete -c tcpecho -f\n"
	      "complete -c tcpecho -n __fish_use_subcommand -l version -d 'show the version'\n"
	      "complete -c tcpecho -s h -l help -d 'show help'\n",
	      out);
	for (const struct command *const *at = commands; *at != NULL; at++) {
		fprintf(out, "complete -c tcpecho -n __fish_use_subcommand -a %s -d ", (*at)->name);
		fish_text(out, (*at)->summary);
		fputc('\n', out);
		for (size_t i = 0; i < (*at)->n_options; i++)
			fish_option(out, *at, &(*at)->options[i]);
		if (takes_host(*at))
			fprintf(out,
				"complete -c tcpecho -n '__fish_seen_subcommand_from %s' -a "
				"'(__fish_print_hostnames)'\n",
				(*at)->name);
		if (takes_operation(*at)) {
			fprintf(out,
				"complete -c tcpecho -n '__fish_seen_subcommand_from %s' -F -a '",
				(*at)->name);
			completion_print_operations(out, *at);
			fputs("'\n", out);
		}
		if (takes_command(*at)) {
			fprintf(out, "complete -c tcpecho -n '__fish_seen_subcommand_from %s' -a '",
				(*at)->name);
			print_command_names(out);
			fputs("'\n", out);
		}
	}
}
