/* SPDX-License-Identifier: MIT */
/*
 * Signals: what this program does about each, set once and explicitly (sigaction(2)), and how the
 * server hears of them.
 *
 * A process has four ways to meet a signal, and we use three:
 *
 *   catch     There is no handler, with one exception below. A handler runs between any two
 *             instructions and may call almost nothing (signal-safety(7)); one that logged was a
 *             way in as root (CVE-2024-6387). A signal that matters is blocked and read from a
 *             descriptor (signalfd(2)) in the main loop, as one more event. Nothing is interrupted.
 *   ignore    SIGPIPE: a peer that is gone is an ordinary error of send(2), EPIPE, not our death.
 *             SIGXFSZ: a file that has reached RLIMIT_FSIZE is a full disk, EFBIG.
 *             SIGTTOU, the server: a terminal set to `tostop` must not stop the service.
 *   default   The inherited disposition, for all other signals. SIGCHLD must be at its default: if
 *             the program was started with it ignored, children would vanish unseen (wait(2),
 *             notes).
 *   neither   SIGKILL and SIGSTOP cannot be caught, blocked or ignored. A child that is killed
 *             costs its own client only; a parent that is killed leaves children that notice
 *             (server/shutdown_pipe.h); a process that is stopped continues where it was.
 *
 * Process 1 of a container is the exception: the kernel discards signals that it has at their
 * default (pid_namespaces(7)), so ^C and `docker stop` would do nothing. There, HUP, INT, QUIT and
 * TERM have a handler, whose only call is _exit(128 + N).
 *
 * `ping` and `bench` read INT, TERM and QUIT from the start. INT and TERM end them with a report
 * once they are connected; before that, by that signal. Every other command leaves its signals at
 * their default, which ends it at any moment, whatever it waits for.
 *
 * A child inherits what its parent has blocked, and reads none of it: SIGINT and SIGTERM, typed at
 * a terminal or sent to the group, mean the service, and its parent lets the clients finish.
 *
 * One request to end may arrive as several signals, so a second signal does not always mean a
 * second request: see signals_is_new_request().
 *
 * A blocked signal is pending or it is not: it does not count. Five hundred children that end while
 * the parent is stopped are one SIGCHLD (UNP 5.10), so a process that reads one reaps until no
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
 * Inherited is the default, or ignored. nohup(1) ignores SIGHUP, and a shell without job control
 * ignores SIGINT and SIGQUIT for a command in the background: a client leaves them ignored.
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
 * group, a terminal signals the group and a parent forwards the signal. INT and TERM sent within
 * this time after the first signal belong to the same request; a later signal is a second request.
 */
#define SIGNALS_SAME_REQUEST_NS (150 * CLOCK_NS_PER_MS)

/*
 * Is a signal that is read now a second request? asked_ns: time at which the first was read.
 * heard_ns: all signals sent until then had been read before this one. The time of a signal is not
 * known, but it was sent after heard_ns: a process that was stopped or had no CPU never takes one
 * request for two.
 */
static inline bool signals_is_new_request(uint64_t asked_ns, uint64_t heard_ns)
{
	return heard_ns >= asked_ns + SIGNALS_SAME_REQUEST_NS;
}

/*
 * To be called once, at the start of main(): unblocks all signals, because the mask is inherited
 * over fork and exec, and gives process 1 its handlers. Includes signals_setup_writing().
 */
void signals_setup_program(void);

/* The dispositions for output: a write that fails is an error, not a signal. */
void signals_setup_writing(void);

/* The dispositions of a client. */
void signals_setup_client(void);

/*
 * The dispositions of a server. Returns a non-blocking, close-on-exec descriptor from which
 * signals_next() reads, the caller's; or -errno.
 */
MUST_USE int signals_setup_server(void);

/*
 * The same for a client that measures: INT and TERM end it with a report, QUIT asks for a line.
 * A signal that is ignored stays ignored.
 */
MUST_USE int signals_setup_meter(void);

/*
 * Unblocks all signals, so that INT and TERM end the process at once; and blocks those again that
 * were blocked. For a wait that cannot include the descriptor.
 */
void signals_unblock(sigset_t *ret_blocked);
void signals_block(const sigset_t *blocked);

/* The next signal that has come in, or 0 for none. */
int signals_next(int signals_fd);

/*
 * Is SIGINT or SIGTERM blocked and pending? For a loop that waits before anything reads signals.
 */
bool signals_is_end_pending(void);

/* The name, "SIGKILL", or "signal 34" for one without. */
struct signal_name {
	char text[24];
};
struct signal_name signals_name(int signal);

/* Ends this process by a signal, as if it had never been blocked or ignored. */
_Noreturn void signals_die_of(int signal);

#endif
