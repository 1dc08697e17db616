/* SPDX-License-Identifier: MIT */
/*
 * The diagnosis of a wrong byte in a thread. It waits for the bytes that follow and may ask the
 * server (client/wrong.h), which takes half a second: a loop with other connections must not wait.
 */
#ifndef CLIENT_DIAGNOSING_H
#define CLIENT_DIAGNOSING_H

#include <pthread.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "client/diagnosis.h"
#include "client/wrong.h"
#include "net/addr.h"

struct diagnosing {
	int done_fd; /* readable once the thread is done; -1: it was not begun */
	int finish_fd;
	struct diagnosis_case wrong;
	unsigned char bytes[DIAGNOSIS_MOST];
	int fd;         /* of the connection; its owner does not receive on it meanwhile */
	uint64_t at_ns; /* when the wrong byte came; the caller's */
	bool has_echoed, asks, has_thread;
	struct addr server;
	struct wrong_text text;
	pthread_t thread;
};

/*
 * Keeps a case, with a copy of what was received, to be ended by diagnosing_end(). The connection
 * fd stays the caller's, and must stay open until then. has_echoed: a message has come back whole,
 * on any connection. Returns NULL without memory.
 */
MUST_USE struct diagnosing *diagnosing_keep(const struct diagnosis_case *wrong, int fd,
					    bool has_echoed);

/*
 * Begins the thread. server: asked whether it speaks first, unless has_echoed; NULL: not asked.
 * Returns 0 or -errno.
 */
MUST_USE int diagnosing_begin(struct diagnosing *diagnosing, const struct addr *server);

/*
 * Waits for the thread, frees it all, and returns the diagnosis. Without a thread it is made from
 * what has come, without waiting.
 */
struct wrong_text diagnosing_end(struct diagnosing *diagnosing);

#endif
