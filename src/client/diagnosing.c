/* SPDX-License-Identifier: MIT */
#include "client/diagnosing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/io.h"

static void *diagnose_in_thread(void *argument)
{
	struct diagnosing *diagnosing = argument;
	struct diagnosis_case *wrong = &diagnosing->wrong;
	wrong->n = wrong_await_more(diagnosing->fd, diagnosing->bytes, wrong->n, DIAGNOSIS_MOST);
	diagnosing->text = wrong_say(wrong, diagnosing->asks ? &diagnosing->server : NULL);
	io_close(&diagnosing->finish_fd);
	return NULL;
}

int diagnosing_begin(const struct diagnosis_case *wrong, int fd, const struct addr *server,
		     struct diagnosing **ret_diagnosing)
{
	struct diagnosing *diagnosing = calloc(1, sizeof(*diagnosing));
	if (diagnosing == NULL)
		return -ENOMEM;
	diagnosing->wrong = *wrong;
	diagnosing->wrong.n = wrong->n < DIAGNOSIS_MOST ? wrong->n : DIAGNOSIS_MOST;
	diagnosing->wrong.received = diagnosing->bytes;
	memcpy(diagnosing->bytes, wrong->received, diagnosing->wrong.n);
	diagnosing->fd = fd;
	diagnosing->asks = server != NULL;
	if (server != NULL)
		diagnosing->server = *server;
	int rc = io_pipe(&diagnosing->done_fd, &diagnosing->finish_fd);
	if (rc < 0) {
		free(diagnosing);
		return rc;
	}
	rc = -pthread_create(&diagnosing->thread, NULL, diagnose_in_thread, diagnosing);
	if (rc < 0) {
		io_close(&diagnosing->done_fd);
		io_close(&diagnosing->finish_fd);
		free(diagnosing);
		return rc;
	}
	*ret_diagnosing = diagnosing;
	return 0;
}

struct wrong_text diagnosing_end(struct diagnosing *diagnosing)
{
	pthread_join(diagnosing->thread, NULL);
	struct wrong_text text = diagnosing->text;
	io_close(&diagnosing->done_fd);
	free(diagnosing);
	return text;
}
