/* SPDX-License-Identifier: MIT */
/*
 * The options of serve for faults on request: --fault, --fault-ports and --seed.
 */
#ifndef CLI_SERVE_FAULTS_H
#define CLI_SERVE_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/exit_status.h"
#include "cli/command.h"
#include "net/addr.h"
#include "server/startup.h"

/* The numbers of the options' rows. */
struct serve_fault_rows {
	size_t fault, fault_ports, seed;
};

/* Returns whether the output of --fault help is asked for; prints it. */
bool serve_faults_wants_help(const struct arguments *arguments);
enum exit_status serve_faults_list(void);

/*
 * Reads the options. Sets options->faults if one of them is given, and adds the addresses of
 * --fault-ports. Reports errors. Returns STATUS_OK,
 * STATUS_USAGE or STATUS_MACHINE.
 */
MUST_USE enum exit_status serve_faults_read(const struct arguments *arguments,
					    const struct serve_fault_rows *rows,
					    struct addr_spec addresses[],
					    struct serve_options *options);

#endif
