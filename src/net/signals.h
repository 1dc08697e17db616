/* SPDX-License-Identifier: MIT */
/*
 * Signals: what this program does with each, set once and explicitly (sigaction(2)), and how the
 * server receives them.
 *
 * A signal can be handled in four ways, of which we use three:
 *
 *   catch     There is no handler, with one exception below. A handler runs between any two
 *             instructions and may call almost nothing (signal-safety(7)); one that logged gave
 *             attackers root (CVE-2024-6387). A signal that matters is blocked and read from a
 *             descriptor (signalfd(2)) in the main loop, like any event. Nothing is interrupted.
 *   ignore    SIGPIPE: a peer that is gone is an ordinary error of send(2), EPIPE.
 *             SIGXFSZ: a file that has reached RLIMIT_FSIZE is like a full disk, EFBIG.
 *             SIGTTOU, in the server: a terminal set to `tostop` must not stop the service.
 *   default   The inherited disposition, for all other signals. SIGCHLD must be at its default: if
 *             the program was started with it ignored, children would be reaped by the kernel
 *             unseen (wait(2), notes).
 *   neither   SIGKILL and SIGSTOP cannot be caught, blocked or ignored. Killing a child costs only
 *             its own client. If the parent is killed, its children notice it
 *             (server/shutdown_pipe.h). A stopped process continues where it was.
 *
 * Process 1 of a container is the exception: the kernel discards signals that have their default
 * disposition there (pid_namespaces(7)), so ^C and `docker stop` would do nothing. In process 1,
 * HUP, INT, QUIT and TERM have a handler, which only calls _exit(128 + N).
 *
 * `ping` and `bench` read INT, TERM and QUIT from the start. After they are connected, INT and TERM
 * end them with a report; before that, by that signal. Every other command leaves its signals at
 * their default: they end it at any time, whatever it waits for.
 *
 * A child inherits its parent's blocked signals and does not read them. SIGINT and SIGTERM
 * that are typed at a terminal or sent to the group are meant for the service, and its parent lets
 * the clients finish.
 *
 * One request to end may arrive as several signals, so a second signal does not always mean a
 * second request: see signals_is_new_request().
 *
 * A blocked signal is either pending or not: it is not counted. If 500 children end while the
 * parent is stopped, that is one SIGCHLD (UNP 5.10). So a process that reads one reaps until no
 * child is left.
 *
 *              talk        ping, bench   server      the server's child
 *   SIGPIPE    ignore      ignore        ignore      ignore
 *   SIGXFSZ    ignore      ignore        ignore      ignore
 *   SIGTTOU    inherited   inherited     ignore      ignore
 *   SIGINT     inherited   read          read        blocked
 *   SIGTERM    inherited   read          read        blocked
 *   SIGQUIT    inherited   read          inherited   inherited
 *   SIGUSR1    inherited   inherited     read        blocked
 *   SIGCHLD    inherited   inherited     read        blocked
 *   others     inherited   inherited     inherited   inherited
 *
 * "Inherited" means the default, or ignored. nohup(1) ignores SIGHUP, and a shell without job
 * control ignores SIGINT and SIGQUIT for a background command: a client leaves them ignored.
 */
#ifndef NET_SIGNALS_H
#define NET_SIGNALS_H

#include <signal.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"

/*
 * One request to end may arrive as several signals: timeout(1) signals the process and then its
 * group, a terminal signals the group, and a parent forwards the signal. INT and TERM sent within
 * this time after the first signal belong to the same request. A later signal is a second request.
 */
#define SIGNALS_SAME_REQUEST_NS (50 * CLOCK_NS_PER_MS)

/*
 * Returns whether a signal that is read now is a second request. asked_ns: when the first was read.
 * signals_read_ns: all signals sent before this time were read before this one. The exact time of a
 * signal is unknown, but it was sent after signals_read_ns. So a process that was stopped or had no
 * CPU never takes one request for two.
 */
static inline bool signals_is_new_request(uint64_t asked_ns, uint64_t signals_read_ns)
{
	return signals_read_ns >= asked_ns + SIGNALS_SAME_REQUEST_NS;
}

/*
 * Must be called once, at the start of main(). Unblocks all signals, because the mask is inherited
 * over fork and exec, and installs the handlers of process 1. Includes signals_setup_writing().
 */
void signals_setup_program(void);

/* Sets the dispositions for output: a write that fails is an error, not a signal. */
void signals_setup_writing(void);

/* Sets the dispositions of a client. */
void signals_setup_client(void);

/*
 * Sets the dispositions of a server. Returns a non-blocking, close-on-exec descriptor for
 * signals_next(), which the caller closes, or -errno.
 */
MUST_USE int signals_setup_server(void);

/*
 * The same for a client that measures: INT and TERM end it with a report, QUIT requests an interim
 * line. An ignored signal stays ignored.
 */
MUST_USE int signals_setup_meter(void);

/*
 * signals_unblock() unblocks all signals, so that INT and TERM end the process at once.
 * signals_block() restores the mask. For a wait that cannot include the descriptor.
 */
void signals_unblock(sigset_t *ret_blocked);
void signals_block(const sigset_t *blocked);

/* Returns the next signal, or 0 if there is no signal to read. */
int signals_next(int signals_fd);

/*
 * Returns whether SIGINT or SIGTERM is blocked and pending. For a loop that waits before signals
 * are read.
 */
bool signals_is_end_pending(void);

/* The name, "SIGKILL", or "signal 34" for a signal without a name. */
struct signal_name {
	char text[24];
};
struct signal_name signals_name(int signal);

/* Ends this process by a signal, even if the signal was blocked or ignored. */
_Noreturn void signals_die_of(int signal);

#endif
