/* SPDX-License-Identifier: MIT */
#include "mistakes.h"

#define RIGHT                                                                               \
	.got = echo_got, .ended = echo_ended, .sent = echo_sent, .finished = echo_finished, \
	.stop = echo_stop, .failed = echo_failed

const struct machine machine_right = { .name = "the echo", RIGHT };

/* Takes a short write for a whole one (UNP 3.9). */
static void sent_forgetting_the_remainder(struct echo *echo, size_t n)
{
	(void)n;
	echo_sent(echo, echo->kept);
}

/* Closes at once at the end of the stream. */
static void ended_closing_early(struct echo *echo)
{
	echo->want = ECHO_CLOSE;
}

/* Sends the FIN while a byte is still kept. */
static void sent_finishing_too_soon(struct echo *echo, size_t n)
{
	echo_sent(echo, n);
	if (echo->kept == 1)
		echo->want = ECHO_FINISH;
}

/* Reads after a short write, and overwrites the bytes that it still keeps. */
static void sent_reading_while_full(struct echo *echo, size_t n)
{
	echo_sent(echo, n);
	echo->want = ECHO_READ;
}

static void got_over_what_is_kept(struct echo *echo, size_t n)
{
	echo->kept = 0;
	echo_got(echo, n);
}

/* Takes the end of the stream for EAGAIN. */
static void ended_unnoticed(struct echo *echo)
{
	(void)echo;
}

/* Ends a conversation and closes at once: a reset, if the client was still sending. */
static void finished_without_lingering(struct echo *echo)
{
	echo->want = ECHO_CLOSE;
}

/* Ends a conversation without a FIN. */
static void stop_without_fin(struct echo *echo)
{
	echo_stop(echo);
	if (echo->want == ECHO_FINISH)
		echo->want = ECHO_DISCARD;
}

/* Takes a reset for an ordinary end. */
static void failed_going_on(struct echo *echo)
{
	echo->want = ECHO_READ;
	echo->kept = 0;
}

/* Counts all offered bytes as sent. */
static void sent_counting_what_was_offered(struct echo *echo, size_t n)
{
	uint64_t offered = echo->out + echo->kept;
	echo_sent(echo, n);
	echo->out = offered;
}

const struct machine machines_wrong[] = {
	{ .name = "forgotten remainder", RIGHT, .sent = sent_forgetting_the_remainder },
	{ .name = "early close", RIGHT, .ended = ended_closing_early },
	{ .name = "FIN before the last byte", RIGHT, .sent = sent_finishing_too_soon },
	{ .name = "read while full",
	  RIGHT,
	  .sent = sent_reading_while_full,
	  .got = got_over_what_is_kept },
	{ .name = "lost end of the stream", RIGHT, .ended = ended_unnoticed },
	{ .name = "close without lingering", RIGHT, .finished = finished_without_lingering },
	{ .name = "stop without a FIN", RIGHT, .stop = stop_without_fin },
	{ .name = "reset unnoticed", RIGHT, .failed = failed_going_on },
	{ .name = "wrong count", RIGHT, .sent = sent_counting_what_was_offered },
	{ 0 },
};
