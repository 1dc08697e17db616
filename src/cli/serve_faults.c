/* SPDX-License-Identifier: MIT */
#include "cli/serve_faults.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "cli/option.h"
#include "cli/run_info.h"
#include "fault/fault_kind.h"
#include "server/faults.h"

/* Prints the output of --fault help. */
enum exit_status serve_faults_list(void)
{
	printf("%s\n\n", FAULT_GRAMMAR);
	for (enum fault_kind kind = 0; kind < FAULT_KINDS; kind++)
		printf("  %-24s %s\n", fault_kind_of(kind)->example, fault_kind_of(kind)->help);
	puts("\nWHEN: a byte offset of the echo (64k), a time since accept (3s), accept, eof, "
	     "idle=TIME\nevery=N: every Nth connection; p=1/N: one of N, as --seed chooses; "
	     "conn=N: connection N only");
	return STATUS_OK;
}

bool serve_faults_wants_help(const struct arguments *arguments)
{
	for (size_t i = 0; i < arguments->n_list; i++) {
		if (strcmp(arguments->list[i], "help") == 0)
			return true;
	}
	return false;
}

/* source: what a spec follows in a message, "--fault " or "TCPECHO_SERVE_FAULT=". */
MUST_USE static enum exit_status read_faults(const struct arguments *arguments, const char *source,
					     struct fault_set *set)
{
	for (size_t i = 0; i < arguments->n_list; i++) {
		struct fault fault;
		struct reason reason;
		int rc = fault_parse(arguments->list[i], &fault, &reason);
		if (rc == 0)
			rc = fault_set_add(set, &fault, &reason);
		if (rc < 0) {
			log_error("%s%.200s: %s; write %s (see 'tcpecho serve --fault help')",
				  source, option_shown(arguments->list[i]), reason.text,
				  FAULT_GRAMMAR);
			return STATUS_USAGE;
		}
	}
	return STATUS_OK;
}

/* Adds an address for each fault, and fills in what it does. */
MUST_USE static enum exit_status add_fault_ports(uint16_t first_port, struct faults *faults,
						 struct addr_spec *addresses, size_t *n)
{
	struct addr_spec host = { .kind = ADDR_WILDCARD };
	struct reason reason;
	if (*n + FAULT_KINDS > LISTENERS_MAX) {
		log_error("%zu addresses and --fault-ports are too many, %d at most", *n,
			  LISTENERS_MAX);
		return STATUS_USAGE;
	}
	if (*n > 0 && addresses[0].kind != ADDR_UNIX)
		host = addresses[0];
	if (*n == 0) { /* the default address stays */
		addresses[*n] = (struct addr_spec){ .port = SERVE_DEFAULT_PORT };
		(*n)++;
	}
	faults->first_port = first_port;
	for (enum fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
		struct fault fault;
		struct fault_set *set = &faults->port_sets[kind];
		set->seed = faults->set.seed;
		ignore_result(fault_parse(fault_kind_of(kind)->example, &fault, &reason));
		ignore_result(fault_set_add(set, &fault, &reason)); /* an example is valid */
		addresses[*n] = host;
		addresses[(*n)++].port = (uint16_t)(first_port + kind);
	}
	return STATUS_OK;
}

enum exit_status serve_faults_read(const struct arguments *arguments,
				   const struct serve_fault_rows *rows, struct addr_spec *addresses,
				   struct serve_options *options)
{
	uint64_t first_port = arguments->values[rows->fault_ports];
	if (arguments->n_list == 0 && first_port == 0)
		return STATUS_OK;
	/* Until the process ends; much memory, which a server without faults does not have. */
	struct faults *faults = calloc(1, sizeof(*faults));
	if (faults == NULL) {
		log_error("cannot start serving: %s", err_text(-ENOMEM).text);
		return STATUS_MACHINE;
	}
	faults->set.seed = run_info_seed(arguments, rows->seed);
	options->faults = faults;
	bool is_variable = arguments->sources[rows->fault] == SOURCE_ENVIRONMENT;
	enum exit_status status = read_faults(
		arguments, is_variable ? "TCPECHO_SERVE_FAULT=" : "--fault ", &faults->set);
	if (status == STATUS_OK && first_port != 0)
		status = add_fault_ports((uint16_t)first_port, faults, addresses,
					 &options->n_addresses);
	return status;
}
