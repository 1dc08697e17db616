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
	int done_fd; /* readable at the end */
	int finish_fd;
	struct diagnosis_case wrong;
	unsigned char bytes[DIAGNOSIS_MOST];
	int fd; /* of the connection; its owner does not receive on it meanwhile */
	bool asks;
	struct addr server;
	struct wrong_text text;
	pthread_t thread;
};

/*
 * Begins. The connection fd stays the caller's, and must stay open until the end. server: as of
 * wrong_say(). Returns 0 and *ret_diagnosing, to be ended by diagnosing_end(); or -errno.
 */
MUST_USE int diagnosing_begin(const struct diagnosis_case *wrong, int fd, const struct addr *server,
			      struct diagnosing **ret_diagnosing);

/* Waits for the end, frees it, and returns the diagnosis. */
struct wrong_text diagnosing_end(struct diagnosing *diagnosing);

#endif
