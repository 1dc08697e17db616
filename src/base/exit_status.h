/* SPDX-License-Identifier: MIT */
/*
 * The exit status of the program. If a signal ends the process, a shell shows 128+N.
 */
#ifndef BASE_EXIT_STATUS_H
#define BASE_EXIT_STATUS_H

/* Status and sentence, for --help, the man pages and the README. */
#define STATUS_LIST(X)                                                                         \
	X(STATUS_OK, 0, "every byte came back, in order, unchanged, and every limit was kept") \
	X(STATUS_ECHO_FAILED, 1, "the echo failed: bytes missing, different or late")          \
	X(STATUS_USAGE, 2, "the command line is wrong")                                        \
	X(STATUS_NO_CONNECTION, 3,                                                             \
	  "no connection: refused, unreachable, unresolved, timed out, connected to itself")   \
	X(STATUS_MACHINE, 4,                                                                   \
	  "this machine could not do it: port taken, no permission, out of descriptors")

#define X(name, number, sentence) name = (number),
enum exit_status { STATUS_LIST(X) };
#undef X

/*
 * Added to a signal's number, as a shell does: 128+N. main() then ends the process by that signal.
 */
#define STATUS_SIGNAL 128

static inline enum exit_status status_of_signal(int signal)
{
	return (enum exit_status)(STATUS_SIGNAL + signal);
}

/* The list as a table, for help and man pages. A NULL sentence ends it. */
struct exit_status_row {
	enum exit_status status;
	const char *sentence;
};

extern const struct exit_status_row status_rows[];

#endif
