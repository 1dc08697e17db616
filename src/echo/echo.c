/* SPDX-License-Identifier: MIT */
#include "echo/echo.h"

#include <assert.h>

enum echo_want echo_wants(const struct echo *echo)
{
	return echo->want;
}

size_t echo_kept(const struct echo *echo, size_t *ret_at)
{
	assert(echo->want == ECHO_WRITE);
	*ret_at = echo->kept_at;
	return echo->kept;
}

void echo_got(struct echo *echo, size_t n)
{
	assert(n > 0);
	assert(echo->want == ECHO_READ || echo->want == ECHO_DISCARD);
	echo->in += n;
	if (echo->want == ECHO_DISCARD)
		return;
	assert(echo->kept == 0);
	echo->kept_at = 0;
	echo->kept = n;
	echo->want = ECHO_WRITE;
}

void echo_ended(struct echo *echo)
{
	assert(echo->want == ECHO_READ || echo->want == ECHO_DISCARD);
	echo->want = echo->want == ECHO_READ ? ECHO_FINISH : ECHO_CLOSE;
}

void echo_taken(struct echo *echo, size_t n)
{
	assert(echo->want == ECHO_WRITE);
	assert(n > 0 && n <= echo->kept);
	echo->kept_at += n;
	echo->kept -= n;
	if (echo->kept == 0)
		echo->want = ECHO_READ;
}

void echo_sent(struct echo *echo, size_t n)
{
	echo_taken(echo, n);
	echo->out += n;
}

void echo_finished(struct echo *echo)
{
	assert(echo->want == ECHO_FINISH);
	echo->want = echo->stopped ? ECHO_DISCARD : ECHO_CLOSE;
}

void echo_stop(struct echo *echo)
{
	assert(echo->want != ECHO_CLOSE);
	/* Unsent bytes are dropped: the peer did not take them before the timeout. */
	echo->kept = 0;
	echo->stopped = true;
	echo->want = echo->want == ECHO_DISCARD ? ECHO_CLOSE : ECHO_FINISH;
}

void echo_failed(struct echo *echo)
{
	echo->kept = 0;
	echo->want = ECHO_CLOSE;
}
