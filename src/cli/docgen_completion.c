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

static bool takes_file(const struct command *command)
{
	return strstr(command_operands(command), "FILE") != NULL;
}

/* Returns whether the value of an option is a file. */
static bool is_file(const struct option_row *row)
{
	return row->kind == OPTION_TEXT && strcmp(row->value_name, "FILE") == 0;
}

/* Writes the names of commands, or of subcommands, separated by spaces. */
static void print_command_names(FILE *out, const struct command *parent)
{
	const struct command *command;
	for (size_t i = 0; (command = command_sub(parent, i)) != NULL; i++)
		fprintf(out, "%s%s", i > 0 ? " " : "", command->name);
}

/* Returns the parent of the commands that complete an operand: NULL for `help`, itself else. */
static const struct command *commands_of(const struct command *command)
{
	return command_sub(command, 0) != NULL ? command : NULL;
}

/* ---- bash ---- */

/* Writes the cases in which the previous word is an option with a value. */
static void bash_values(FILE *out, const struct command *command)
{
	const struct command_name name = command_full_name(command, '-');
	for (size_t i = 0; i < command->n_options; i++) {
		const struct option_row *row = &command->options[i];
		if (row->kind == OPTION_FLAG)
			continue;
		fprintf(out, "    %s:--%s", name.text, row->name);
		if (row->letter != 0)
			fprintf(out, " | %s:-%c", name.text, row->letter);
		if (row->kind == OPTION_USER)
			fputs(")\n        COMPREPLY=($(compgen -u -- \"$cur\"))", out);
		else if (is_file(row))
			fputs(")\n        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")", out);
		else
			fprintf(out, ")\n        COMPREPLY=($(compgen -W '%s' -- \"$cur\"))",
				words_of(row).text);
		fputs("\n        return\n        ;;\n", out);
	}
}

static void bash_operands(FILE *out, const struct command *command)
{
	fprintf(out, "    %s)\n        words='--help", command_full_name(command, '-').text);
	for (size_t i = 0; i < command->n_options; i++)
		fprintf(out, " --%s", command->options[i].name);
	fputs("'\n        [[ $cur == -* ]] ||\n            ", out);
	if (takes_host(command)) {
		fputs("mapfile -t COMPREPLY < <(compgen -A hostname -- \"$cur\")\n", out);
	} else if (takes_command(command)) {
		fputs("words='", out);
		print_command_names(out, commands_of(command));
		fputs("'\n", out);
	} else if (takes_file(command)) {
		fputs("mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n", out);
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
	print_command_names(out, NULL);
	fputs("' -- \"$cur\"))\n        return\n    fi\n", out);
	for (const struct command *const *at = commands; *at != NULL; at++) {
		if (command_sub(*at, 0) != NULL)
			fprintf(out,
				"    if [[ $command == %s ]] && ((COMP_CWORD > 2)); then\n"
				"        command=%s-${COMP_WORDS[2]}\n"
				"    fi\n",
				(*at)->name, (*at)->name);
	}
	fputs("    case $command:$prev in\n", out);
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
	else if (is_file(row))
		fprintf(out, ":%s:_files", row->value_name);
	else if (row->kind != OPTION_FLAG)
		fprintf(out, ":%s:(%s)", row->value_name, words_of(row).text);
	fputs("' \\\n", out);
}

static void zsh_command(FILE *out, const struct command *command)
{
	fprintf(out, "    %s)\n        _arguments \\\n", command_full_name(command, '-').text);
	for (size_t i = 0; i < command->n_options; i++)
		zsh_option(out, &command->options[i]);
	fputs("            '(-h --help)'{-h,--help}'[show help]'", out);
	if (takes_host(command))
		fputs(" \\\n            '1:HOST:_hosts' \\\n            '2:PORT:'", out);
	else if (takes_command(command)) {
		fputs(" \\\n            '1:COMMAND:(", out);
		print_command_names(out, commands_of(command));
		fputs(")'", out);
	} else if (takes_file(command)) {
		fputs(" \\\n            '*:FILE:_files'", out);
	} else
		fputs(" \\\n            '*:ADDRESS:'", out);
	fputs("\n        ;;\n", out);
}

void docgen_zsh(FILE *out)
{
	fputs("#compdef tcpecho\n", out);
	fputs(notice, out);
	fputs("_tcpecho_commands() {\n    local -a names=(\n", out);
	const struct command *command;
	for (size_t i = 0; (command = command_sub(NULL, i)) != NULL; i++) {
		fprintf(out, "        '%s:", command->name);
		zsh_text(out, command->summary);
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
	      "    local name=$words[1]\n",
	      out);
	for (const struct command *const *at = commands; *at != NULL; at++) {
		if (command_sub(*at, 0) != NULL)
			fprintf(out,
				"    if [[ $name == %s ]] && ((CURRENT > 2)); then\n"
				"        shift words\n"
				"        ((CURRENT--))\n"
				"        name=%s-$words[1]\n"
				"    fi\n",
				(*at)->name, (*at)->name);
	}
	fputs("    case $name in\n", out);
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

/* Writes "complete -c tcpecho -n 'CONDITION'": the command line has this command. */
static void fish_complete(FILE *out, const struct command *command)
{
	fputs("complete -c tcpecho -n '__fish_seen_subcommand_from ", out);
	if (command->parent != NULL)
		fprintf(out, "%s; and __fish_seen_subcommand_from ", command->parent->name);
	fprintf(out, "%s'", command->name);
}

static void fish_option(FILE *out, const struct command *command, const struct option_row *row)
{
	fish_complete(out, command);
	fprintf(out, " -l %s", row->name);
	if (row->letter != 0)
		fprintf(out, " -s %c", row->letter);
	if (row->kind == OPTION_USER)
		fputs(" -x -a '(__fish_complete_users)'", out);
	else if (is_file(row))
		fputs(" -r -F", out);
	else if (row->kind != OPTION_FLAG)
		fprintf(out, " -x -a '%s'", words_of(row).text);
	fputs(" -d ", out);
	fish_text(out, row->help);
	fputc('\n', out);
}

static void fish_operands(FILE *out, const struct command *command)
{
	if (takes_command(command)) {
		const struct command *parent = commands_of(command);
		fprintf(out, "complete -c tcpecho -n '__fish_seen_subcommand_from %s",
			command->name);
		if (parent != NULL) {
			fputs("; and not __fish_seen_subcommand_from ", out);
			print_command_names(out, parent);
		}
		fputs("' -a '", out);
		print_command_names(out, parent);
		fputs("'\n", out);
	} else if (takes_host(command)) {
		fish_complete(out, command);
		fputs(" -a '(__fish_print_hostnames)'\n", out);
	} else if (takes_file(command)) {
		fish_complete(out, command);
		fputs(" -F\n", out);
	}
}

void docgen_fish(FILE *out)
{
	const struct command *command;
	fputs(notice, out);
	fputs("complete -c tcpecho -f\n"
	      "complete -c tcpecho -n __fish_use_subcommand -l version -d 'show the version'\n"
	      "complete -c tcpecho -s h -l help -d 'show help'\n",
	      out);
	for (size_t i = 0; (command = command_sub(NULL, i)) != NULL; i++) {
		fprintf(out, "complete -c tcpecho -n __fish_use_subcommand -a %s -d ",
			command->name);
		fish_text(out, command->summary);
		fputc('\n', out);
	}
	for (const struct command *const *at = commands; *at != NULL; at++) {
		for (size_t i = 0; i < (*at)->n_options; i++)
			fish_option(out, *at, &(*at)->options[i]);
		fish_operands(out, *at);
	}
}
