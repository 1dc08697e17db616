/* SPDX-License-Identifier: MIT */
#include "client/diagnosis_thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/io.h"

static void describe_case(struct diagnosis_thread *diagnosing)
{
	const struct diagnosis_case *wrong = &diagnosing->wrong;
	if (diagnosing->has_echoed)
		diagnosing->text = mismatch_describe(wrong, NULL);
	else if (diagnosing->asks)
		diagnosing->text = mismatch_describe(wrong, &diagnosing->server);
	else
		diagnosing->text = mismatch_describe_without_asking(wrong);
}

static void *diagnose_in_thread(void *argument)
{
	struct diagnosis_thread *diagnosing = argument;
	struct diagnosis_case *wrong = &diagnosing->wrong;
	wrong->n = mismatch_await_more(diagnosing->fd, diagnosing->bytes, wrong->n, DIAGNOSIS_MAX);
	describe_case(diagnosing);
	io_close(&diagnosing->finish_fd);
	return NULL;
}

struct diagnosis_thread *diagnosis_thread_keep(const struct diagnosis_case *wrong, int fd,
					       bool has_echoed)
{
	struct diagnosis_thread *diagnosing = calloc(1, sizeof(*diagnosing));
	if (diagnosing == NULL)
		return NULL;
	diagnosing->wrong = *wrong;
	diagnosing->wrong.n = wrong->n < DIAGNOSIS_MAX ? wrong->n : DIAGNOSIS_MAX;
	diagnosing->wrong.received = diagnosing->bytes;
	memcpy(diagnosing->bytes, wrong->received, diagnosing->wrong.n);
	diagnosing->fd = fd;
	diagnosing->has_echoed = has_echoed;
	diagnosing->done_fd = diagnosing->finish_fd = -1;
	return diagnosing;
}

int diagnosis_thread_begin(struct diagnosis_thread *diagnosing, const struct addr *server)
{
	diagnosing->asks = server != NULL;
	if (server != NULL)
		diagnosing->server = *server;
	int rc = io_pipe(&diagnosing->done_fd, &diagnosing->finish_fd);
	if (rc < 0)
		return rc;
	rc = -pthread_create(&diagnosing->thread, NULL, diagnose_in_thread, diagnosing);
	diagnosing->has_thread = rc == 0;
	return rc;
}

/* Without a thread: reads what has arrived meanwhile. */
static void diagnose_now(struct diagnosis_thread *diagnosing)
{
	struct diagnosis_case *wrong = &diagnosing->wrong;
	ssize_t n = io_recv(diagnosing->fd, diagnosing->bytes + wrong->n, DIAGNOSIS_MAX - wrong->n);
	wrong->n += n > 0 ? (size_t)n : 0;
	diagnosing->asks = false;
	describe_case(diagnosing);
}

struct mismatch_text diagnosis_thread_end(struct diagnosis_thread *diagnosing)
{
	if (diagnosing->has_thread)
		pthread_join(diagnosing->thread, NULL);
	else
		diagnose_now(diagnosing);
	struct mismatch_text text = diagnosing->text;
	io_close(&diagnosing->done_fd);
	io_close(&diagnosing->finish_fd);
	free(diagnosing);
	return text;
}
