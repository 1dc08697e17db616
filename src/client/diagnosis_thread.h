/* SPDX-License-Identifier: MIT */
/*
 * Diagnoses a wrong byte in a thread. The diagnosis waits for the bytes that follow and may ask the
 * server (client/mismatch.h), which takes half a second. A loop with other connections must not
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
	int done_fd; /* becomes readable when the thread is done; -1: no thread */
	int finish_fd;
	struct diagnosis_case wrong;
	unsigned char bytes[DIAGNOSIS_MAX];
	int fd;         /* the connection; its owner must not receive on it meanwhile */
	uint64_t at_ns; /* when the wrong byte came; for the caller */
	bool has_echoed, asks, has_thread;
	struct addr server;
	struct mismatch_text text;
	pthread_t thread;
};

/*
 * Keeps a case with a copy of the received bytes, to be ended with diagnosis_thread_end(). The
 * caller still owns fd and must keep it open until then. has_echoed: a message has come back whole
 * on any connection. Returns NULL if there is no memory.
 */
MUST_USE struct diagnosis_thread *diagnosis_thread_keep(const struct diagnosis_case *wrong, int fd,
							bool has_echoed);

/*
 * Starts the thread. server: asked whether it speaks first, unless has_echoed; NULL: not asked.
 * Returns 0 or -errno.
 */
MUST_USE int diagnosis_thread_begin(struct diagnosis_thread *diagnosing, const struct addr *server);

/*
 * Waits for the thread, frees everything, and returns the diagnosis. Without a thread, diagnoses
 * the bytes that have arrived, without waiting.
 */
struct mismatch_text diagnosis_thread_end(struct diagnosis_thread *diagnosing);

#endif
