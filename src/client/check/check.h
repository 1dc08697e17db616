/* SPDX-License-Identifier: MIT */
/*
 * Checks: questions to an echo endpoint and to the path to it, with a verdict for each.
 *
 * A check is a function that opens its own connections, with its own bytes, and ends by its
 * deadline whatever the endpoint does. It first establishes what happened, above all how each
 * connection ended (check_conn.h), and then judges: expected, actual, and what that usually means.
 * A verdict claims no more than what was seen.
 *
 * A check is a row in the table in check.c. Its name is stable: profiles and scripts use it.
 */
#ifndef CLIENT_CHECK_CHECK_H
#define CLIENT_CHECK_CHECK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "net/addr.h"
#include "stats/verdict.h"

enum check_class {
	CHECK_QUICK,  /* all of them together take seconds */
	CHECK_NORMAL, /* all of them together take less than a minute */
	CHECK_SLOW,   /* --slow: minutes to hours */
	CHECK_RUDE,   /* --rude: storms, and the limits of the endpoint */
};

/* Flags of a check. */
#define CHECK_ALONE    1U /* runs when no other does: times matter, or it disturbs the others */
#define CHECK_TCP_ONLY 2U /* a connection to a unix socket has nothing to check */
#define CHECK_PROCESS  4U /* judges the process of the server that --exec has started */
#define CHECK_DURING   8U /* runs while the command of --during does */

struct check_server;

/* What a run of checks has in common. Constant while checks run. */
struct check_settings {
	struct addr_spec server;
	int family;       /* AF_UNSPEC, AF_INET or AF_INET6 */
	uint64_t seed;    /* of the bytes */
	uint64_t wait_ns; /* longest time without progress: then a connection is silent */
	uint64_t idle_ns; /* longest time that slow checks let a connection idle */
	struct check_server *own_server; /* of --exec; NULL: none */
	const char *during;              /* the command of --during; NULL: none */
};

/* What the first connections have shown about the path. Times are those of an idle endpoint. */
struct check_path {
	struct addr addr;    /* that the checks connect to */
	uint64_t connect_ns; /* connect time */
	uint64_t rtt_ns;     /* round-trip time of one byte, the median; 0 if none came back */
};

struct times;

/* A check that runs. Made by check_run.c, used by one thread. */
struct check_job {
	const struct check_settings *settings;
	const struct check_path *path;
	const struct check *check;
	_Atomic uint64_t *n_connections; /* of all checks: the number of the next connection */
	uint64_t deadline_ns;            /* of the whole check */
	int cancel_fd;                   /* becomes readable when the checks are to end */
	struct check_result *result;
	bool has_verdict;
	unsigned char *buffer; /* CHECK_BUFFER_SIZE bytes */
	struct times *times;   /* CHECK_TIMES of them, empty, for the check */
};

#define CHECK_BUFFER_SIZE ((size_t)64 * 1024)
#define CHECK_TIMES       2

struct check {
	const char *name;
	enum check_class class;
	unsigned int flags;   /* CHECK_ALONE and so on */
	uint64_t timeout_ns;  /* of the whole check, beside a last wait for silence */
	const char *question; /* one line, for --list */
	void (*run)(struct check_job *job);
};

/* The checks, in the order of the output; a NULL name ends the table. */
extern const struct check checks[];

/* More than there are. */
#define CHECKS_MAX 64

/* Returns the number of checks; the index of a name, or -1. */
size_t check_count(void);
int check_find(const char *name);

/*
 * ---- verdicts ----
 *
 * The first verdict of a check counts. check_pass() says what was seen; the other functions also
 * say what was expected, and what the difference usually means ("" if there is nothing to say).
 */

PRINTF_LIKE(2, 3)
void check_pass(struct check_job *job, const char *format, ...);

PRINTF_LIKE(2, 3)
void check_skip(struct check_job *job, const char *format, ...);

/* A text for the functions below. */
struct check_text {
	char text[512];
};

PRINTF_LIKE(1, 2)
struct check_text check_text(const char *format, ...);

void check_warn(struct check_job *job, struct check_text expected, struct check_text actual,
		const char *means);
void check_fail(struct check_job *job, struct check_text expected, struct check_text actual,
		const char *means);

/* Returns whether the check has a verdict, or was cancelled. Then it ends. */
bool check_is_over(const struct check_job *job);

#endif
