/* SPDX-License-Identifier: MIT */
/*
 * Connecting to a server by its name: to any of its addresses, and what to say when none of them
 * answers. An address that does not answer soon is joined by the next one (RFC 8305), so that a
 * dead address costs a fraction of a second.
 *
 * Both take their time: getaddrinfo(3) blocks for as long as no name server answers, connect(2) for
 * as long as no SYN is answered. `talk` simply waits, because a signal at its default ends it
 * meanwhile (dial()). For a client that reads its signals from a descriptor a thread dials, and it
 * waits for both (dial_await()), or does so in its own loop (dial_begin()).
 */
#ifndef CLIENT_DIAL_H
#define CLIENT_DIAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "stats/result.h"
#include "base/exit_status.h"
#include "net/addr.h"

/* How long one address may take to answer, unless a timeout was given. */
#define DIAL_TIMEOUT_NS (10 * CLOCK_NS_PER_S)

/*
 * A timeout that is switched off is about replies: connecting still ends, after five or six SYNs.
 */
#define DIAL_LONGEST_NS (45 * CLOCK_NS_PER_S)

/* An address that has not answered by then is joined by the next one (RFC 8305, 5). */
#define DIAL_ATTEMPT_DELAY_NS (250 * CLOCK_NS_PER_MS)

struct dial_request {
	const struct addr_spec *server; /* of the kinds ADDR_HOST and ADDR_UNIX */
	int family;                     /* AF_UNSPEC, AF_INET or AF_INET6 */
	const struct addr *source;      /* where to connect from; NULL: anywhere */
	const struct addr *except;      /* is being tried already, so not here; NULL: none is */
	/*
	 * For all addresses together, once the name is looked up. 0: each has DIAL_TIMEOUT_NS.
	 * CLOCK_NEVER: each has DIAL_LONGEST_NS.
	 */
	uint64_t timeout_ns;
};

struct dialed {
	int fd;           /* connected and non-blocking, the caller's; or the negative code */
	struct addr addr; /* that answered */
	uint64_t took_ns; /* to connect to it */
};

/*
 * Connects to the address that answers first, of those tried so far: they are tried in the order of
 * RFC 6724 with the families in turn, the next one DIAL_ATTEMPT_DELAY_NS after the last, or as soon
 * as one fails. If none answers, the code is that of the last failure; the code of a family that
 * this machine cannot use only if it can use none; -EALREADY if `except` is the only address.
 */
struct dialed dial(const struct dial_request *request);

/* ---- in a thread ---- */

struct dialing {
	struct dial_request request; /* of copies that the thread may read as long as it runs */
	struct addr_spec server;
	struct addr source, except;
	struct dialed dialed;
	int done_fd;   /* readable once it is done */
	int finish_fd; /* the other end of it, which the thread closes */
	bool has_thread;
	pthread_t thread;
	atomic_bool is_released; /* by the thread, or by dial_abandon() */
};

/*
 * Begins to dial. *ret_dialing is the caller's, to be ended by dial_end(), or left behind if the
 * process is about to end. If no thread can be started, returns once it is done, and a signal
 * ends the process meanwhile. Returns 0 or -errno.
 */
MUST_USE int dial_begin(const struct dial_request *request, struct dialing **ret_dialing);

/* Waits for the outcome, which is there at once if done_fd is readable, and frees it. */
struct dialed dial_end(struct dialing *dialing);

/* Frees it without waiting for the outcome: what it connects is closed again. */
void dial_abandon(struct dialing *dialing);

/*
 * Dials, and reads the signals meanwhile. Says why it failed, or at QUIT what it is waiting for.
 * Returns STATUS_OK and *ret_dialed; STATUS_NO_CONNECTION; STATUS_MACHINE; or the status of the
 * signal that ended it, after which the thread may still run: the process must end soon.
 */
MUST_USE enum exit_status dial_await(const struct dial_request *request, int signals_fd,
				     struct dialed *ret_dialed);

/* ---- what is said ---- */

/* Says why a request failed with that code, and what may help. Returns the exit status for it. */
enum exit_status dial_explain(const struct dial_request *request, int code);

/* What may help against a code of connecting: " (is a server listening there?)"; "" for others. */
const char *dial_remedy(int code);

/* The code of this machine's limit, if all failures of a run are its own (err_is_local()); or 0. */
int dial_limit(const struct result *result);

/* Says that this machine was the limit of a run. */
void dial_say_limit(int code);

/* Says what is under way, for a client that QUIT asks while it dials. */
void dial_say_so_far(const struct dial_request *request);

/*
 * Can this process have n_connections, and n_beside descriptors besides? Raises the soft limit if
 * that is needed; if it is not enough, says so and returns false.
 */
MUST_USE bool dial_has_room(uint64_t n_connections, uint64_t n_beside);

#endif
