/* SPDX-License-Identifier: MIT */
/*
 * Faults on request (fault/fault.h), as a server has them: which faults a client gets, and the
 * memory that all processes share for it. Without faults no server has any of this.
 */
#ifndef SERVER_FAULTS_H
#define SERVER_FAULTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "fault/fault.h"
#include "fault/fault_stream.h"
#include "net/addr.h"
#include "server/client_table.h"

/*
 * The faults of a server: --fault applies to the addresses of the command line. With --fault-ports,
 * there is one more port for each kind, from first_port on, whose only fault is the example of the
 * kind.
 */
struct faults {
	uint16_t first_port; /* 0: no fault ports */
	struct fault_set set;
	struct fault_set port_sets[FAULT_KINDS];
	struct faults_shared *shared;
};

/* Maps the shared memory. The sets are filled in. Returns 0 or -ENOMEM. */
MUST_USE int faults_open(struct faults *faults);

/* Size of the memory for the stream of any client of the server. */
size_t faults_stream_size(const struct faults *faults);

/*
 * A client is about to be served: gives it a number and counts it. On failure to serve it, call
 * faults_client_ended(). Fills in *ret_conn, for fault_stream_begin().
 */
void faults_client_begins(const struct faults *faults, struct client *client,
			  struct fault_conn *ret_conn);
void faults_client_ended(const struct faults *faults);

/*
 * ---- what the access log says ----
 *
 * The client's tag holds its set and number. fired: bits of fault_fired(), kept in the reason.
 */
#define FAULTS_REASON_BITS 8
#define FAULTS_REASON_MASK ((1 << FAULTS_REASON_BITS) - 1)

/* Returns the number of the connection, and its set. */
uint64_t faults_number(uint32_t tag);
const struct fault_set *faults_set(const struct faults *faults, uint32_t tag);

/* Faults, joined by "+"; "none" if the list is empty. */
#define FAULTS_TEXT_SIZE 512
struct faults_text {
	char text[FAULTS_TEXT_SIZE];
};

/* Returns the faults of a listening socket by its address. */
struct faults_text faults_format(const struct faults *faults, const struct addr *addr);

/* Returns the faults whose bit is set in `fired`. */
struct faults_text faults_format_fired(const struct fault_set *set, uint32_t fired);

#endif
