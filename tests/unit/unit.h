/* SPDX-License-Identifier: MIT */
/*
 * Shared parts of the unit tests: cmocka, children, capture of standard descriptors, sockets.
 *
 * A test program has one file of src/ as its subject and reaches it through its header, as any
 * caller would. The name of a test is a sentence that is true for the subject.
 */
#ifndef UNIT_H
#define UNIT_H

/* cmocka needs these headers before its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/compiler.h"

/*
 * Seconds until a wait counts as a hang, on the slowest machine under a sanitizer. No test asserts
 * a duration.
 */
#define UNIT_TIMEOUT_S 90

#define TEST(name)                                             \
	static void name##_body(void);                         \
	static void name(void **state __attribute__((unused))) \
	{                                                      \
		unit_run(#name, name##_body);                  \
	}                                                      \
	static void name##_body(void)

/* Runs the body of a test, up to its end or to unit_skip(). */
void unit_run(const char *name, void (*body)(void));

/*
 * Ends the test as skipped, with the reason. Called by the test's own process only.
 * skip() of cmocka is not used: it prints "not ok", which TAP readers count as a failure.
 */
#undef skip
_Noreturn void unit_skip(const char *reason);

/* Waits until a condition holds; fails the test after the time of a hang. */
#define UNIT_WAIT_UNTIL(condition)                                                           \
	do {                                                                                 \
		for (long tries = 0; !(condition); tries++) {                                \
			if (tries >= UNIT_TIMEOUT_S * 1000L)                                 \
				fail_msg("%s:%d: still waiting for: %s", __FILE__, __LINE__, \
					 #condition);                                        \
			unit_sleep_ms(1);                                                    \
		}                                                                            \
	} while (0)

void unit_sleep_ms(long ms);

/* ---- children ---- */

/*
 * Runs a function in a forked child: for changes to the process itself, and for what must end it.
 * cmocka's assertions do not work there; use UNIT_CHILD_MUST().
 */
typedef void unit_child_fn(const void *argument);

#define UNIT_CHILD_MUST(condition)                                       \
	do {                                                             \
		if (!(condition))                                        \
			unit_child_fail(__FILE__, __LINE__, #condition); \
	} while (0)

_Noreturn void unit_child_fail(const char *file, int line, const char *condition);

/*
 * The child returned from the function, and every UNIT_CHILD_MUST() held; otherwise the test fails.
 */
void unit_in_child(unit_child_fn *run, const void *argument);

/* The child ended by that signal. With SIGABRT an assert() failed, which is a promise too. */
void unit_child_dies_of(int signal, unit_child_fn *run, const void *argument);

/* The child ended with that exit status. */
void unit_child_exits_with(int status, unit_child_fn *run, const void *argument);

/*
 * Runs a function in a child, one machine instruction after the other (ptrace(2)), and calls
 * `between` before each. The child is stopped meanwhile, as after SIGSTOP. Skips the test where
 * tracing is not allowed.
 */
void unit_stop_everywhere(unit_child_fn *run, const void *argument, void (*between)(void));

/* ---- standard descriptors ---- */

/* The bytes written to a descriptor, as a string. */
struct unit_capture {
	int fd, saved_fd, file_fd;
	size_t size;
	char text[64 * 1024];
};

/* From here on, bytes written to fd (1 or 2) go to memory. No assertion may fail before the end. */
void unit_capture_begin(struct unit_capture *capture, int fd);
void unit_capture_end(struct unit_capture *capture);

/* Returns the number of lines of a text; the last one must be complete. */
size_t unit_lines(const char *text);

/* Skips the test where no terminal can be opened: a plain chroot has no /dev/ptmx or /dev/pts. */
void unit_need_terminal(void);

/* ---- descriptors and sockets ---- */

/* Returns the number of open descriptors of this process. */
size_t unit_open_descriptors(void);

/* Returns whether a descriptor is open, close-on-exec, non-blocking. */
bool unit_is_open(int fd);
bool unit_is_cloexec(int fd);
bool unit_is_nonblocking(int fd);

/* Two connected unix stream sockets. */
void unit_socket_pair(int *ret_one, int *ret_other);

/* Returns whether it is a unix socket. */
bool unit_is_unix(int fd);

/* 127.0.0.1 and a port. */
struct sockaddr_in unit_loopback(uint16_t port);

/* Returns a listening socket on a free port of 127.0.0.1. */
int unit_listen(int backlog, struct sockaddr_in *ret_address);

/* Returns a socket connected to it. */
int unit_connect(const struct sockaddr_in *address);

/* Closes with a reset (SO_LINGER with zero seconds). */
void unit_reset(int fd);

/*
 * Writes all bytes; reads exactly `size` bytes; reads until the end. The test fails if bytes are
 * missing.
 */
void unit_write(int fd, const void *bytes, size_t size);
void unit_read(int fd, void *buffer, size_t size);
void unit_read_end(int fd);

/* Returns a temporary file without a name, open for reading and writing. */
int unit_temporary_file(void);

/* A temporary directory, and its removal with everything in it. */
struct unit_directory {
	char path[64];
};
struct unit_directory unit_directory_make(void);
void unit_directory_remove(const struct unit_directory *directory);

#endif
