/* SPDX-License-Identifier: MIT */
/*
 * Runs checks: those whose times do not matter side by side, then the others one by one. Their
 * results are handed out in the order of the table.
 */
#ifndef CLIENT_CHECK_CHECK_RUN_H
#define CLIENT_CHECK_CHECK_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "client/check/check.h"

struct check_run;

/*
 * Starts the checks for which selected[] is true, in threads; before them, the path is measured.
 * settings must outlive the run. Returns 0 and *ret_run, which check_run_close() frees; -ENOMEM or
 * -errno.
 */
MUST_USE int check_run_open(const struct check_settings *settings, const struct addr *addr,
			    const bool *selected, struct check_run **ret_run);
void check_run_close(struct check_run *run);

/* Returns what was measured first. Zeros before the first result, and if nothing came back. */
const struct check_path *check_run_path(const struct check_run *run);

/*
 * Waits for the next result, in the order of the table. Returns NULL if none ends before
 * `until_ns`, if wake_fd is readable (-1: none), or if all were handed out: check_run_is_over().
 */
const struct check_result *check_run_next(struct check_run *run, int wake_fd, uint64_t until_ns);
bool check_run_is_over(const struct check_run *run);

/* Ends the checks that run. Results that are not there are left out from now on. */
void check_run_cancel(struct check_run *run);

/* The number of checks that have ended, and of all; a name of one that runs, or NULL. */
struct check_progress {
	size_t n_done, n_all;
	const char *running;
};
struct check_progress check_run_progress(struct check_run *run);

#endif
