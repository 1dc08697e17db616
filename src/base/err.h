/* SPDX-License-Identifier: MIT */
/*
 * Error codes: one representation for the whole program.
 *
 * A function that fails returns a negative code: -errno for an error of the kernel (-4095..-1), or
 * one of the codes below for everything else. Only this file turns codes into words.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

/* Own codes: name, number, sentence (lower case, no full stop). Append only. */
#define ERR_LIST(X)                                                                                \
	X(ERR_NOT_A_NUMBER, -5001, "not a number")                                                 \
	X(ERR_OUT_OF_RANGE, -5002, "out of range")                                                 \
	X(ERR_BAD_UNIT, -5003, "unknown unit (write 250ms, 10s, 2m or 1h)")                        \
	X(ERR_BAD_ADDRESS, -5004,                                                                  \
	  "not an address (write PORT, HOST:PORT, [V6]:PORT, "                                     \
	  ":PORT, unix:/path or unix:@name)")                                                      \
	X(ERR_BAD_PORT, -5005, "the port must be a number from 0 to 65535")                        \
	X(ERR_PATH_TOO_LONG, -5006, "the path or name is longer than 107 bytes")                   \
	X(ERR_NO_SUCH_HOST, -5007, "no such host")                                                 \
	X(ERR_NAME_SERVER, -5008, "no name server answered")                                       \
	X(ERR_NO_ADDRESS, -5009, "the host has no address of that family")                         \
	X(ERR_RESOLVER, -5010, "the name could not be looked up")                                  \
	X(ERR_SELF_CONNECT, -5011, "the connection leads back to itself, no server listens there") \
	X(ERR_NO_LISTENER, -5012, "not a listening stream socket")                                 \
	X(ERR_FORBIDDEN, -5013, "a firewall on the path forbids it")                               \
	X(ERR_NO_SUCH_USER, -5014, "no such user")                                                 \
	X(ERR_STILL_ROOT, -5015, "root can be regained")                                           \
	X(ERR_BAD_MULTIPLE, -5016, "not a number, optionally followed by k, M or G")               \
	X(ERR_EMPTY, -5017, "must not be empty")                                                   \
	X(ERR_HLOG_DAMAGED, -5018, "the histogram is damaged")                                     \
	X(ERR_HLOG_FOREIGN, -5019,                                                                 \
	  "the histogram has another encoding or precision (HdrHistogram V2, 3 digits from 1)")    \
	X(ERR_BAD_MOMENT, -5020,                                                                   \
	  "not a point in time (write 2026-11-26T12:00:00Z, @SECONDS since 1970, "                 \
	  "or +5s from now)")                                                                      \
	X(ERR_NO_ZONE, -5021, "a link-local address needs its interface (write fe80::1%eth0)")     \
	X(ERR_GIVEN_TWICE, -5022, "given twice, or included in another address")                   \
	X(ERR_TOO_MANY_ADDRESSES, -5023, "more than 64 addresses")                                 \
	X(ERR_NOT_TCP, -5024, "it is neither TCP nor a unix socket (MPTCP is not supported)")      \
	X(ERR_NO_FREE_PORT, -5025,                                                                 \
	  "no port is free (raise net.ipv4.ip_local_port_range, or name a port)")                  \
	X(ERR_NO_INTERFACE, -5026, "no interface has the name after the %")                        \
	X(ERR_QUEUE_FULL, -5027, "the server's queue is full, it accepts no connection")           \
	X(ERR_NO_SOURCE, -5028, "this machine has no address from which it can be reached")        \
	X(ERR_FOREIGN_SOURCE, -5029, "the source is not an address of this machine")               \
	X(ERR_NO_WATCHES, -5030,                                                                   \
	  "no more descriptors can be waited for (raise fs.epoll.max_user_watches)")               \
	X(ERR_WORKER_KILLED, -5031, "the process that should serve it was killed")                 \
	X(ERR_NOT_UNICAST, -5032, "TCP cannot use a broadcast or multicast address")               \
	X(ERR_PASSED_TWICE, -5033, "the same socket was passed in twice")

#define X(name, number, sentence) name = (number),
enum err { ERR_LIST(X) };
#undef X

/* Room for the longest sentence, ours or the C library's. */
#define ERR_TEXT_SIZE 112

struct err_text {
	char text[ERR_TEXT_SIZE];
};

/*
 * Returns the sentence for a negative code, in the form of our messages: lower case, no full stop.
 * Use it in the expression that needs it: log_error("...: %s", err_text(code).text).
 */
struct err_text err_text(int code);

/*
 * Returns what the user can do about a code that means that this machine or user lacks a resource:
 * " (raise ulimit -n)", to be printed after err_text(). Returns "" for all other codes. Static
 * storage.
 */
const char *err_remedy(int code);

/*
 * Returns whether a code of connecting, sending or receiving is a failure of this machine: no
 * descriptor, port, memory or permission. Such a code says nothing about the other end.
 */
bool err_is_local(int code);

/* Returns the code whose symbol (err_name()) is `name` if err_is_local() is true for it, else 0. */
int err_local_code(const char *name);

/*
 * Returns whether the kernel lacks memory or another resource that is not limited per process. The
 * same call may succeed later, so the caller must not give up.
 */
bool err_is_shortage(int code);

/*
 * Returns the symbol for a negative code, "ECONNRESET" or "ERR_BAD_PORT"; "?" if unknown. Static
 * storage.
 */
const char *err_name(int code);

#endif
