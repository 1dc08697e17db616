/* SPDX-License-Identifier: MIT */
/*
 * Connects to a server by name, on any address of the name, and explains failures. If an address
 * does not answer soon, the next one is tried in parallel (RFC 8305). A dead address therefore
 * costs a fraction of a second.
 *
 * Both steps can block: getaddrinfo(3) while no name server answers, connect(2) while no SYN is
 * answered. `talk` simply waits in dial(), because the default action of a signal ends it
 * meanwhile. A client that reads signals from a descriptor dials in a thread and waits for both:
 * with dial_await(), or in its own loop after dial_begin().
 */
#ifndef CLIENT_DIAL_H
#define CLIENT_DIAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/exit_status.h"
#include "net/addr.h"
#include "stats/result.h"

/* Timeout of one address, unless the request has a timeout. */
#define DIAL_TIMEOUT_NS (10 * CLOCK_NS_PER_S)

/*
 * Timeout of one address if timeouts are switched off. That option is about replies: connecting
 * still ends, after five or six SYNs.
 */
#define DIAL_LONGEST_NS (45 * CLOCK_NS_PER_S)

/*
 * If an address has not answered after this time, the next one is tried in parallel (RFC 8305, 5).
 */
#define DIAL_ATTEMPT_DELAY_NS (250 * CLOCK_NS_PER_MS)

struct dial_request {
	const struct addr_spec *server; /* kind ADDR_HOST or ADDR_UNIX */
	int family;                     /* AF_UNSPEC, AF_INET or AF_INET6 */
	const struct addr *source;      /* source address; NULL: any */
	const struct addr *except;      /* being tried already, so left out; NULL: none */
	/*
	 * For all addresses together, starting after the lookup. 0: DIAL_TIMEOUT_NS for each.
	 * CLOCK_NEVER: DIAL_LONGEST_NS for each.
	 */
	uint64_t timeout_ns;
};

struct dialed {
	int fd;           /* connected, non-blocking, owned by the caller; or a negative code */
	struct addr addr; /* address that answered */
	uint64_t took_ns; /* connect time */
};

/*
 * Connects to an address of the server, the first that answers. Addresses are tried in the order of
 * RFC 6724, alternating between the families. The next address starts DIAL_ATTEMPT_DELAY_NS after
 * the last, or as soon as one fails. If none answers, returns the code of the last failure. A code
 * that means that this machine cannot use an address family is returned only if it can use none.
 * -EALREADY: `except` is the only address.
 */
struct dialed dial(const struct dial_request *request);

/* ---- in a thread ---- */

struct dialing {
	struct dial_request request; /* its pointers point to the copies below */
	struct addr_spec server;
	struct addr source, except;
	struct dialed dialed;
	int done_fd;   /* becomes readable at the end */
	int finish_fd; /* other end of the pipe, which the thread closes */
	bool has_thread;
	pthread_t thread;
	atomic_bool is_released; /* set by the thread and by dial_abandon(); the second frees it */
};

/*
 * Begins to dial. The caller owns *ret_dialing and ends it with dial_end(), or leaves it if the
 * process is about to end. If no thread can be started, it dials before it returns, and a signal
 * ends the process meanwhile. Returns 0 or -errno.
 */
MUST_USE int dial_begin(const struct dial_request *request, struct dialing **ret_dialing);

/* Waits for the outcome and frees *dialing. It does not block if done_fd is readable. */
struct dialed dial_end(struct dialing *dialing);

/* Frees *dialing without waiting. A connection that it still opens is closed. */
void dial_abandon(struct dialing *dialing);

/*
 * Dials, and reads signals meanwhile. Prints why it failed; at QUIT, what it waits for. Returns
 * STATUS_OK and *ret_dialed; STATUS_NO_CONNECTION; STATUS_MACHINE; or the status of the signal that
 * ended it. After a signal the thread may still run: the process must end soon.
 */
MUST_USE enum exit_status dial_await(const struct dial_request *request, int signals_fd,
				     struct dialed *ret_dialed);

/* ---- messages ---- */

/* Prints why a request failed with this code, and a remedy. Returns the exit status for it. */
enum exit_status dial_log_failure(const struct dial_request *request, int code);

/*
 * Returns a remedy for a code of connecting, such as " (is a server listening there?)"; "": none.
 */
const char *dial_remedy(int code);

/*
 * Returns the code of this machine's limit if it caused all failures of a run (err_is_local()); or
 * 0.
 */
int dial_limit(const struct result *result);

/* Prints that this machine was the limit of a run. */
void dial_log_limit(int code);

/* Prints what is in progress: the response to QUIT while dialing. */
void dial_log_progress(const struct dial_request *request);

/*
 * Returns true if this process may have n_connections and n_beside more descriptors. Raises the
 * soft limit if necessary. If it cannot be raised far enough, prints this and returns false.
 */
MUST_USE bool dial_has_descriptors(uint64_t n_connections, uint64_t n_beside);

#endif
