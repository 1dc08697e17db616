/* SPDX-License-Identifier: MIT */
/*
 * What a result says of where and how it was found.
 */
#ifndef CLI_RUN_INFO_H
#define CLI_RUN_INFO_H

#include "base/compiler.h"
#include "cli/command.h"
#include "net/tcpinfo.h"
#include "report/run.h"

/*
 * Fills the facts of a run: of this program, this machine, this command line, with
 * the options that the environment gave before it; start_ns: when the
 * measuring began, since the epoch, 0: it never did; sending: of one of its connections, or NULL.
 * They are the run's. Returns 0 or -ENOMEM.
 */
MUST_USE int run_info_gather(struct run_facts *facts, const struct command *command,
			     const struct arguments *arguments, uint64_t start_ns,
			     const struct tcpinfo_sending *sending);

/*
 * *ret_copy is what a document can hold of a text from anywhere (base/escape.h), the caller's, to
 * be freed; NULL of an empty one. Returns 0 or -ENOMEM.
 */
MUST_USE int run_info_copy(const char *text, char **ret_copy);

/* Returns the seed of a run: the value of COMMON_SEED_ROW, random if it was not given. */
uint64_t run_info_seed(const struct arguments *arguments, size_t row);

#endif
