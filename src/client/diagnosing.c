/* SPDX-License-Identifier: MIT */
#include "client/diagnosing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/io.h"

static void say_what_is_wrong(struct diagnosing *diagnosing)
{
	const struct diagnosis_case *wrong = &diagnosing->wrong;
	if (diagnosing->has_echoed)
		diagnosing->text = wrong_say(wrong, NULL);
	else if (diagnosing->asks)
		diagnosing->text = wrong_say(wrong, &diagnosing->server);
	else
		diagnosing->text = wrong_judge(wrong);
}

static void *diagnose_in_thread(void *argument)
{
	struct diagnosing *diagnosing = argument;
	struct diagnosis_case *wrong = &diagnosing->wrong;
	wrong->n = wrong_await_more(diagnosing->fd, diagnosing->bytes, wrong->n, DIAGNOSIS_MOST);
	say_what_is_wrong(diagnosing);
	io_close(&diagnosing->finish_fd);
	return NULL;
}

struct diagnosing *diagnosing_keep(const struct diagnosis_case *wrong, int fd, bool has_echoed)
{
	struct diagnosing *diagnosing = calloc(1, sizeof(*diagnosing));
	if (diagnosing == NULL)
		return NULL;
	diagnosing->wrong = *wrong;
	diagnosing->wrong.n = wrong->n < DIAGNOSIS_MOST ? wrong->n : DIAGNOSIS_MOST;
	diagnosing->wrong.received = diagnosing->bytes;
	memcpy(diagnosing->bytes, wrong->received, diagnosing->wrong.n);
	diagnosing->fd = fd;
	diagnosing->has_echoed = has_echoed;
	diagnosing->done_fd = diagnosing->finish_fd = -1;
	return diagnosing;
}

int diagnosing_begin(struct diagnosing *diagnosing, const struct addr *server)
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

/* Without a thread: takes what has come meanwhile. */
static void diagnose_at_once(struct diagnosing *diagnosing)
{
	struct diagnosis_case *wrong = &diagnosing->wrong;
	ssize_t n =
		io_recv(diagnosing->fd, diagnosing->bytes + wrong->n, DIAGNOSIS_MOST - wrong->n);
	wrong->n += n > 0 ? (size_t)n : 0;
	diagnosing->asks = false;
	say_what_is_wrong(diagnosing);
}

struct wrong_text diagnosing_end(struct diagnosing *diagnosing)
{
	if (diagnosing->has_thread)
		pthread_join(diagnosing->thread, NULL);
	else
		diagnose_at_once(diagnosing);
	struct wrong_text text = diagnosing->text;
	io_close(&diagnosing->done_fd);
	io_close(&diagnosing->finish_fd);
	free(diagnosing);
	return text;
}
