/* SPDX-License-Identifier: MIT */
/*
 * The texts of the bench man page, used in its row of the command table.
 */
#ifndef CLI_BENCH_MANUAL_H
#define CLI_BENCH_MANUAL_H

#include "cli/command.h"

extern const char *const bench_description[];
extern const struct man_section bench_sections[];
extern const struct man_example bench_examples[];
extern const char *const bench_diagnostics[];

#endif
