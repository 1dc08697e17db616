/* SPDX-License-Identifier: MIT */
#include "cli/check_command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/exit_status.h"
#include "base/log.h"
#include "base/snippet.h"
#include "cli/check_exec.h"
#include "cli/check_manual.h"
#include "cli/check_output.h"
#include "cli/check_profile.h"
#include "cli/common_options.h"
#include "cli/option.h"
#include "cli/run_info.h"
#include "cli/target.h"
#include "client/check/check_run.h"
#include "client/dial.h"
#include "net/io.h"
#include "net/signals.h"

enum {
	LIST,
	ONLY,
	SKIP,
	SLOW,
	RUDE,
	EXEC,
	DURING,
	TIMEOUT,
	IDLE,
	SEED,
	EXPECT,
	STRICT,
	FORMAT,
	JSON,
	OUTPUT,
	IPV4,
	IPV6,
	N_OPTIONS
};

static const struct option_row options[N_OPTIONS] = {
	[LIST] = {
		.name = "list",
		.kind = OPTION_FLAG,
		.help = "print the names of all checks and end",
		.details = "Print a line for each check and end: its name, its class (quick, "
			   "normal, slow or rude) and its question.",
	},
	[ONLY] = {
		.name = "only",
		.kind = OPTION_TEXT,
		.value_name = "A,B",
		.default_words = "quick, normal",
		.help = "run only these checks",
		.details = "Run only the checks that are named, whatever their class.",
	},
	[SKIP] = {
		.name = "skip",
		.kind = OPTION_TEXT,
		.value_name = "A,B",
		.default_words = "none",
		.help = "leave these checks out",
		.details = "Leave out the checks that are named.",
	},
	[SLOW] = {
		.name = "slow",
		.kind = OPTION_FLAG,
		.help = "run slow checks too",
		.details = "Run the checks of the class slow too. Each takes as long as --idle.",
	},
	[RUDE] = {
		.name = "rude",
		.kind = OPTION_FLAG,
		.help = "run checks that may disturb other clients too",
		.details = "Run the checks of the class rude too: 500 connections at the same "
			   "time, and as many as the endpoint serves. They need descriptors "
			   "(ulimit -n) and say how many were allowed.",
	},
	[EXEC] = {
		.name = "exec",
		.kind = OPTION_TEXT,
		.value_name = "CMD",
		.default_words = "none",
		.help = "start a server and check it",
		.details = "Start a server with /bin/sh -c CMD and check it; HOST and PORT are not "
			   "given then. {port} in CMD is replaced by a free port of 127.0.0.1. "
			   "Its process is checked as well: what clients leave behind in it, and "
			   "what ends it. All its processes are killed at the end.",
	},
	[DURING] = {
		.name = "during",
		.kind = OPTION_TEXT,
		.value_name = "CMD",
		.default_words = "none",
		.help = "check only while CMD runs",
		.details = "Start CMD with /bin/sh -c and use connections until it has ended: some "
			   "are idle, some send a byte every 100 ms, and new ones are opened. No "
			   "other check runs unless --only names it.",
	},
	[TIMEOUT] = {
		.letter = 't',
		.name = "timeout",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "5s",
		.help = "longest wait for an answer",
		.details = "A connection on which nothing arrives for TIME, although something "
			   "should, is silent: its check fails. It is also the longest time for "
			   "connecting.",
	},
	[IDLE] = {
		.name = "idle",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "5m",
		.help = "idle time of slow checks",
		.details = "The longest time for which a slow check leaves a connection idle, or "
			   "keeps it.",
	},
	[SEED] = COMMON_SEED_ROW,
	[EXPECT] = {
		.name = "expect",
		.kind = OPTION_TEXT,
		.value_name = "PROFILE",
		.default_words = "none",
		.help = "a profile of known failures",
		.details = "Read what is known of the endpoint from a file, or from a profile "
			   "that comes with the program. A failure that a line expects is TODO "
			   "instead of FAIL. A check that does better than expected is reported, "
			   "and the status is 1. See PROFILES.",
	},
	[STRICT] = {
		.name = "strict",
		.kind = OPTION_FLAG,
		.help = "exit with status 1 for a WARN too",
		.details = "Exit with status 1 for a WARN too.",
	},
	[FORMAT] = {
		.name = "format",
		.kind = OPTION_CHOICE,
		.value_name = "FORMAT",
		.preset = "text",
		.help = "format of the verdicts",
		.details = "text: a line for each check. tap: the Test Anything Protocol, "
			   "version 14. junit: the XML that build servers read. json: a document "
			   "that report(1) shows and compares.",
		.choice = verdict_format_name,
	},
	[JSON] = {
		.name = "json",
		.kind = OPTION_FLAG,
		.help = "the same as --format json",
		.details = "The same as --format json.",
	},
	[OUTPUT] = {
		.letter = 'o',
		.name = "output",
		.kind = OPTION_TEXT,
		.value_name = "FILE",
		.default_words = "standard output",
		.help = "write verdicts to FILE",
		.details = "Write the verdicts to FILE in the format of --format. Standard output "
			   "then has them as text. - is standard output. FILE is replaced at the "
			   "end.",
	},
	[IPV4] = TARGET_IPV4_ROW,
	[IPV6] = TARGET_IPV6_ROW,
};

static const struct option_group groups[] = {
	{ "checks", LIST },
	{ "verdicts", EXPECT },
	{ "server address", IPV4 },
	{ 0 },
};

MUST_USE static enum exit_status list_checks(void)
{
	check_manual_list(stdout);
	int rc = file_flush(stdout);
	return rc < 0 ? writer_status(rc, "-", NULL) : STATUS_OK;
}

/* ---- which checks ---- */

/* Marks the checks that are in a list of names, separated by commas. */
MUST_USE static enum exit_status read_names(const char *option, const char *list,
					    bool ret_listed[CHECKS_MAX])
{
	for (;;) {
		char name[32];
		size_t n = strcspn(list, ",");
		int check = -1;
		if (n < sizeof(name)) {
			memcpy(name, list, n);
			name[n] = '\0';
			check = check_find(name);
		}
		if (check < 0) {
			log_error("--%s: %s is not a check (see 'tcpecho check --list')", option,
				  snippet_quoted(list, n).text);
			return STATUS_USAGE;
		}
		ret_listed[check] = true;
		if (list[n] == '\0')
			return STATUS_OK;
		list += n + 1;
	}
}

MUST_USE static bool runs_by_default(const struct arguments *arguments, const struct check *check)
{
	if (arguments->texts[DURING] != NULL || (check->flags & CHECK_DURING) != 0)
		return arguments->texts[DURING] != NULL && (check->flags & CHECK_DURING) != 0;
	if ((check->flags & CHECK_PROCESS) != 0 && arguments->texts[EXEC] == NULL)
		return false;
	return (check->class != CHECK_SLOW || arguments->values[SLOW]) &&
	       (check->class != CHECK_RUDE || arguments->values[RUDE]);
}

MUST_USE static enum exit_status select_checks(const struct arguments *arguments,
					       const struct profile *profile,
					       bool ret_selected[CHECKS_MAX], size_t *ret_n)
{
	const char *only = arguments->texts[ONLY], *skip = arguments->texts[SKIP];
	bool is_left_out[CHECKS_MAX] = { false };
	enum exit_status status = STATUS_OK;
	memset(ret_selected, 0, CHECKS_MAX * sizeof(*ret_selected));
	*ret_n = 0;
	if (only != NULL)
		status = read_names("only", only, ret_selected);
	if (status == STATUS_OK && skip != NULL)
		status = read_names("skip", skip, is_left_out);
	for (size_t i = 0; i < check_count() && status == STATUS_OK; i++) {
		if (only == NULL)
			ret_selected[i] = runs_by_default(arguments, &checks[i]) &&
					  !profile_skips(profile, i);
		ret_selected[i] = ret_selected[i] && !is_left_out[i];
		*ret_n += ret_selected[i];
	}
	if (status == STATUS_OK && *ret_n == 0) {
		log_error("no check is left to run");
		status = STATUS_USAGE;
	}
	return status;
}

/* ---- running them ---- */

/* The line of progress is drawn this often. */
#define PROGRESS_NS (250 * CLOCK_NS_PER_MS)

/* Writes results until all checks have ended, or a signal comes. Returns that signal, 0: none. */
static int write_results(struct check_run *checks_run, struct check_output *output,
			 const struct profile *profile, struct verdict_run *run,
			 struct check_result *results)
{
	while (!check_run_is_over(checks_run)) {
		const struct check_result *next = check_run_next(
			checks_run, output->wait.signals_fd, clock_deadline_ns(PROGRESS_NS));
		struct check_progress progress = check_run_progress(checks_run);
		if (next != NULL) {
			results[run->n] = *next;
			profile_apply(profile, (size_t)check_find(next->name), &results[run->n]);
			if (!check_output_result(output, &results[run->n++]))
				return 0;
			continue;
		}
		int signal = signals_next(output->wait.signals_fd);
		if (signal == SIGQUIT)
			log_notice("%zu of %zu checks ended, %s is running", progress.n_done,
				   progress.n_all,
				   progress.running != NULL ? progress.running : "none");
		else if (signal != 0)
			return signal;
		check_output_progress(output, progress.n_done, progress.running);
	}
	return 0;
}

static bool is_bad(const struct arguments *arguments, const struct verdict_run *run)
{
	for (size_t i = 0; i < run->n; i++) {
		enum verdict verdict = run->results[i].verdict;
		if (verdict == VERDICT_FAIL || run->results[i].is_surprise ||
		    (verdict == VERDICT_WARN && arguments->values[STRICT]))
			return true;
	}
	return false;
}

MUST_USE static enum exit_status check_endpoint(const struct arguments *arguments,
						const struct check_settings *settings,
						const struct profile *profile, const bool *selected,
						struct verdict_run *run,
						const struct dialed *dialed, int signals_fd)
{
	enum verdict_format format = arguments->values[JSON]
					     ? VERDICT_JSON
					     : (enum verdict_format)arguments->values[FORMAT];
	struct check_output output;
	struct check_run *checks_run;
	struct check_result *results = calloc(run->n_selected, sizeof(*results));
	run->results = results;
	enum exit_status status = STATUS_MACHINE;
	int rc = results == NULL ? -ENOMEM
				 : check_run_open(settings, &dialed->addr, selected, &checks_run);
	if (rc < 0) {
		log_error("cannot start: %s", err_text(rc).text);
		free(results);
		return status;
	}
	status = check_output_open(&output, run, format, arguments->texts[OUTPUT], signals_fd);
	if (status == STATUS_OK) {
		int signal = write_results(checks_run, &output, profile, run, results);
		check_run_cancel(checks_run);
		run->connect_ns = check_run_path(checks_run)->connect_ns;
		run->rtt_ns = check_run_path(checks_run)->rtt_ns;
		run->is_interrupted = run->n < run->n_selected;
		if (signal != 0)
			writer_note_signal(&output.wait, signal);
		status = check_output_close(&output);
		if (status == STATUS_OK && is_bad(arguments, run))
			status = STATUS_ECHO_FAILED;
		else if (status == STATUS_OK && signal != 0)
			status = status_of_signal(signal);
	}
	check_run_close(checks_run);
	free(results);
	return status;
}

/* Connects once, then runs the checks. */
MUST_USE static enum exit_status check_target(const struct arguments *arguments,
					      const struct check_settings *settings,
					      const struct profile *profile, const bool *selected,
					      struct verdict_run *run, int signals_fd)
{
	struct dialed dialed;
	const struct dial_request request = { .server = &settings->server,
					      .family = settings->family,
					      .timeout_ns = settings->wait_ns };
	enum exit_status status = dial_await(&request, signals_fd, &dialed);
	if (status != STATUS_OK)
		return status;
	char *target = NULL, *address = NULL;
	int rc = run_info_copy(addr_spec_text(&settings->server).text, &target);
	if (rc == 0)
		rc = run_info_copy(addr_format(&dialed.addr).text, &address);
	io_close(&dialed.fd);
	if (rc == 0) {
		run->target = target;
		run->address = address;
		run->started_ns = clock_since_epoch_ns(clock_now_ns());
		status = check_endpoint(arguments, settings, profile, selected, run, &dialed,
					signals_fd);
		run->target = run->address = NULL; /* they end here */
	} else {
		log_error("cannot start: %s", err_text(rc).text);
		status = STATUS_MACHINE;
	}
	free(target);
	free(address);
	return status;
}

/* The same, with the server of --exec if there is one. */
MUST_USE static enum exit_status start_and_check(const struct arguments *arguments,
						 const struct check_settings *wanted,
						 const struct profile *profile,
						 const bool *selected, struct verdict_run *run)
{
	struct check_settings settings = *wanted;
	struct check_server own_server = { 0 };
	const char *command = arguments->texts[EXEC];
	enum exit_status status = STATUS_OK;
	int signals_fd = signals_setup_meter();
	if (signals_fd < 0) {
		log_error("cannot start: %s", err_text(signals_fd).text);
		return STATUS_MACHINE;
	}
	if (command != NULL) {
		status = check_exec_start(command, signals_fd, &own_server, &settings.server);
		settings.own_server = &own_server;
	}
	if (status == STATUS_OK)
		status = check_target(arguments, &settings, profile, selected, run, signals_fd);
	if (command != NULL)
		check_server_close(&own_server);
	io_close(&signals_fd);
	return status;
}

static enum exit_status check_main(const struct arguments *arguments)
{
	struct check_settings settings = {
		.seed = run_info_seed(arguments, SEED),
		.wait_ns = arguments->values[TIMEOUT],
		.idle_ns = arguments->values[IDLE],
		.during = arguments->texts[DURING],
	};
	struct profile profile = { 0 };
	bool selected[CHECKS_MAX];
	struct verdict_run run = { .seed = settings.seed };
	enum exit_status status = STATUS_OK;
	if (arguments->values[LIST])
		return list_checks();
	if (settings.wait_ns == 0 || settings.idle_ns == 0) {
		log_error("--%s: must be longer than 0",
			  settings.wait_ns == 0 ? "timeout" : "idle");
		return STATUS_USAGE;
	}
	if (arguments->texts[EXPECT] != NULL)
		status = check_profile_read(arguments->texts[EXPECT], &profile);
	if (status == STATUS_OK)
		status = select_checks(arguments, &profile, selected, &run.n_selected);
	if (status == STATUS_OK && arguments->texts[EXEC] != NULL)
		status = check_exec_validate(arguments, arguments->texts[EXEC]);
	else if (status == STATUS_OK)
		status = target_read(&check_command, arguments, IPV4, IPV6, &settings.server,
				     &settings.family);
	if (status != STATUS_OK)
		return status;
	settings.idle_ns = clock_later_ns(settings.idle_ns, profile_longest_ns(&profile));
	run.has_colour = log_colour_wanted(STDOUT_FILENO);
	return start_and_check(arguments, &settings, &profile, selected, &run);
}

const struct command check_command = {
	.name = "check",
	.summary = "give a verdict on an echo endpoint and on the path to it",
	.operands = "[HOST [PORT]]",
	.options = options,
	.n_options = N_OPTIONS,
	.groups = groups,
	.description = check_description,
	.has_page = true,
	.sections = check_sections,
	.examples = check_examples,
	.statuses = check_statuses,
	.run = check_main,
};
