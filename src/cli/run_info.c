/* SPDX-License-Identifier: MIT */
#include "cli/run_info.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/shell_quote.h"
#include "cli/option.h"
#include "net/sysinfo.h"
#include "version.h"

int run_info_copy(const char *text, char **ret_copy)
{
	*ret_copy = NULL;
	return *text != '\0' ? escape_copy(text, strlen(text), ret_copy) : 0;
}

uint64_t run_info_seed(const struct arguments *arguments, size_t row)
{
	if (arguments->sources[row] != SOURCE_PRESET)
		return arguments->values[row];
	return (uint32_t)sysinfo_random(); /* short enough to type */
}

/* The name of the program, without its directory. */
static char program[] = "tcpecho";

/* Puts an option from the environment before the command line, in shell syntax. */
MUST_USE static int add_variable(const char *name, char **line)
{
	char *value = getenv(name), *quoted, *longer;
	int rc = value == NULL ? 0 : shell_quote_words(&value, 1, &quoted);
	if (value == NULL || rc < 0)
		return rc;
	rc = asprintf(&longer, "%s=%s %s", name, quoted, *line) < 0 ? -ENOMEM : 0;
	free(quoted);
	if (rc == 0) {
		free(*line);
		*line = longer;
	}
	return rc;
}

MUST_USE static int add_environment(const struct command *command,
				    const struct arguments *arguments, char **line)
{
	int rc = 0;
	for (size_t i = command->n_options; rc == 0 && i-- > 0;) {
		if (arguments->sources[i] == SOURCE_ENVIRONMENT)
			rc = add_variable(option_variable(command, &command->options[i]).name,
					  line);
	}
	return rc;
}

MUST_USE static int quote_arguments(const struct arguments *arguments, char **ret_line)
{
	char **words = calloc(arguments->n_words + 1, sizeof(*words));
	if (words == NULL)
		return -ENOMEM;
	words[0] = program;
	for (size_t i = 0; i < arguments->n_words; i++)
		words[i + 1] = arguments->words[i];
	int rc = shell_quote_words(words, arguments->n_words + 1, ret_line);
	free(words);
	return rc;
}

int run_info_gather(struct run_facts *facts, const struct command *command,
		    const struct arguments *arguments, uint64_t start_ns,
		    const struct tcpinfo_sending *sending)
{
	const struct sysinfo_names names = sysinfo_names();
	facts->start_ns = start_ns;
	facts->n_cpus = sysinfo_cores();
	facts->mss = sending != NULL ? sending->mss : 0;
	int rc = quote_arguments(arguments, &facts->command_line);
	if (rc == 0)
		rc = add_environment(command, arguments, &facts->command_line);
	if (rc == 0)
		rc = run_info_copy(TCPECHO_VERSION, &facts->version);
	if (rc == 0)
		rc = run_info_copy(names.host, &facts->host);
	if (rc == 0)
		rc = run_info_copy(names.kernel, &facts->kernel);
	if (rc == 0)
		rc = run_info_copy(names.cpu, &facts->cpu);
	if (rc == 0 && sending != NULL)
		rc = run_info_copy(sending->congestion_control, &facts->congestion_control);
	return rc;
}
