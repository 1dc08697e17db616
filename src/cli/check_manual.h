/* SPDX-License-Identifier: MIT */
/*
 * The text of the man page tcpecho-check(1) beside its options.
 */
#ifndef CLI_CHECK_MANUAL_H
#define CLI_CHECK_MANUAL_H

#include <stdio.h>

#include "cli/command.h"

extern const char *const check_description[];
extern const struct man_section check_sections[];
extern const struct man_example check_examples[];
extern const struct exit_status_row check_statuses[];

/* Writes a line for each check: name, class, question. */
void check_manual_list(FILE *out);

#endif
