/* SPDX-License-Identifier: MIT */
/*
 * The diagnosis of a wrong byte in a thread. It waits for the bytes that follow and may ask the
 * server (client/mismatch.h), which takes half a second: a loop with other connections must not
 * wait.
 */
#ifndef CLIENT_DIAGNOSIS_THREAD_H
#define CLIENT_DIAGNOSIS_THREAD_H

#include <pthread.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "client/diagnosis.h"
#include "client/mismatch.h"
#include "net/addr.h"

struct diagnosis_thread {
	int done_fd; /* readable once the thread is done; -1: it was not begun */
	int finish_fd;
	struct diagnosis_case wrong;
	unsigned char bytes[DIAGNOSIS_MAX];
	int fd;         /* of the connection; its owner does not receive on it meanwhile */
	uint64_t at_ns; /* when the wrong byte came; the caller's */
	bool has_echoed, asks, has_thread;
	struct addr server;
	struct mismatch_text text;
	pthread_t thread;
};

/*
 * Keeps a case, with a copy of what was received, to be ended by diagnosis_thread_end(). The
 * connection fd stays the caller's, and must stay open until then. has_echoed: a message has come
 * back whole, on any connection. Returns NULL without memory.
 */
MUST_USE struct diagnosis_thread *diagnosis_thread_keep(const struct diagnosis_case *wrong, int fd,
							bool has_echoed);

/*
 * Begins the thread. server: asked whether it speaks first, unless has_echoed; NULL: not asked.
 * Returns 0 or -errno.
 */
MUST_USE int diagnosis_thread_begin(struct diagnosis_thread *diagnosing, const struct addr *server);

/*
 * Waits for the thread, frees it all, and returns the diagnosis. Without a thread it is made from
 * what has come, without waiting.
 */
struct mismatch_text diagnosis_thread_end(struct diagnosis_thread *diagnosing);

#endif
