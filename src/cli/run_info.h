/* SPDX-License-Identifier: MIT */
/*
 * Facts about a run for its result: where and how it ran.
 */
#ifndef CLI_RUN_INFO_H
#define CLI_RUN_INFO_H

#include "base/compiler.h"
#include "cli/command.h"
#include "net/tcpinfo.h"
#include "report/run.h"

/*
 * Fills the facts of a run: program, machine, and command line, with the options of the environment
 * before it. start_ns: start of the measurement in ns since 1970, 0: it never began. sending: the
 * parameters of any connection of the run, or NULL. The facts own the texts. Returns 0 or -ENOMEM.
 */
MUST_USE int run_info_gather(struct run_facts *facts, const struct command *command,
			     const struct arguments *arguments, uint64_t start_ns,
			     const struct tcpinfo_sending *sending);

/*
 * Sets *ret_copy to a copy of a text, escaped for a document (base/escape.h); NULL if the text is
 * empty. The caller frees it. Returns 0 or -ENOMEM.
 */
MUST_USE int run_info_copy(const char *text, char **ret_copy);

/* Returns the seed of a run: the value of COMMON_SEED_ROW, or a random one if not given. */
uint64_t run_info_seed(const struct arguments *arguments, size_t row);

#endif
