/* SPDX-License-Identifier: MIT */
#include "client/mismatch.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/payload.h"
#include "net/connect.h"
#include "net/io.h"

/* Maximum bytes from the start of a connection that are used to identify the server. */
#define START_SIZE ((size_t)1024)

#define ASK_NS   (500 * CLOCK_NS_PER_MS)
#define AWAIT_NS (100 * CLOCK_NS_PER_MS)

/* Like mismatch_await_more(), until a deadline. If the deadline has passed, reads what is there. */
MUST_USE static size_t await_more(int fd, unsigned char *bytes, size_t n, size_t size,
				  uint64_t deadline_ns)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	while (n < size && io_wait(&ready, 1, deadline_ns) > 0) {
		ssize_t more = io_recv(fd, bytes + n, size - n);
		if (more <= 0)
			break;
		n += (size_t)more;
	}
	return n;
}

static size_t smaller_count(uint64_t a, size_t b)
{
	return a < b ? (size_t)a : b;
}

/*
 * Identifies the server by all bytes sent and received since the start. *ret_is_other_server: as
 * peer_fingerprint_is_other_server().
 */
static struct peer_fingerprint identify_by_start(const struct diagnosis_case *wrong,
						 bool *ret_is_other_server)
{
	unsigned char sent[START_SIZE], received[2 * START_SIZE];
	struct payload payload = payload_of(wrong->seed, wrong->connection);
	size_t n_sent = smaller_count(wrong->sent, sizeof(sent));
	size_t n_right = smaller_count(wrong->offset, START_SIZE);
	size_t n_wrong = smaller_count(wrong->n, sizeof(received) - n_right);
	payload_fill(&payload, 0, sent, n_sent);
	payload_fill(&payload, 0, received, n_right);
	memcpy(received + n_right, wrong->received, n_wrong);
	const struct peer_reply reply = {
		.sent = sent,
		.n_sent = n_sent,
		.received = received,
		.n_received = n_right + n_wrong,
	};
	struct peer_fingerprint endpoint = peer_fingerprint_identify(&reply);
	*ret_is_other_server = peer_fingerprint_is_other_server(&reply, endpoint.kind);
	return endpoint;
}

/*
 * Identifies the server by its reply on a new connection on which nothing is sent. Increments
 * *n_connections if the connection opens.
 */
static struct peer_fingerprint identify_by_silence(const struct addr *server,
						   const struct addr *source,
						   uint32_t *n_connections)
{
	unsigned char received[START_SIZE];
	struct peer_reply reply = { .received = received };
	int fd = connect_open(server, source, clock_deadline_ns(ASK_NS));
	*n_connections += fd >= 0;
	if (fd >= 0)
		reply.n_received = mismatch_await_more(fd, received, 0, sizeof(received));
	io_close(&fd);
	return peer_fingerprint_identify(&reply);
}

/*
 * Is what came this client's own bytes, from another place or connection? Then the server is an
 * echo server that makes a mistake, whatever the bytes look like.
 */
static bool is_misplaced(const struct diagnosis *found)
{
	return found->kind == DIAGNOSIS_LOST || found->kind == DIAGNOSIS_REPEATED ||
	       found->kind == DIAGNOSIS_STRAY;
}

/* identifies: also identify the server. server: asked whether it speaks first; NULL: not asked. */
static struct mismatch_text mismatch_format(const struct diagnosis_case *wrong, bool identifies,
					    const struct addr *server, const struct addr *source)
{
	struct mismatch_text out = { .is_no_echo = false };
	struct peer_fingerprint endpoint = { .kind = PEER_ECHO };
	const struct diagnosis found = diagnose(wrong);
	if (identifies && wrong->offset < START_SIZE)
		endpoint = identify_by_start(wrong, &out.is_no_echo);
	if (endpoint.kind == PEER_OTHER && is_misplaced(&found)) {
		endpoint.kind = PEER_ECHO;
		out.is_no_echo = false;
	}
	out.kind = endpoint.kind;
	bool is_greeting = endpoint.kind == PEER_OTHER || endpoint.kind == PEER_PREFIX;
	if (is_greeting && server != NULL) {
		struct peer_fingerprint silent =
			identify_by_silence(server, source, &out.n_connections);
		if (silent.kind == PEER_SPEAKS_FIRST) {
			endpoint = silent;
			out.is_no_echo = true;
		}
	}
	snprintf(out.text, sizeof(out.text), "%s", out.is_no_echo ? endpoint.text : found.text);
	return out;
}

struct mismatch_text mismatch_describe(const struct diagnosis_case *wrong,
				       const struct addr *server)
{
	return mismatch_format(wrong, server != NULL, server, NULL);
}

struct mismatch_text mismatch_describe_without_asking(const struct diagnosis_case *wrong)
{
	return mismatch_format(wrong, true, NULL, NULL);
}

void mismatch_keep(struct mismatch_evidence *evidence, const struct diagnosis_case *wrong, int fd,
		   bool has_echoed)
{
	*evidence = (struct mismatch_evidence){
		.is_there = true,
		.has_echoed = has_echoed,
		.until_ns = clock_deadline_ns(AWAIT_NS),
		.fd = fd,
		.wrong = *wrong,
	};
	evidence->wrong.n = smaller_count(wrong->n, sizeof(evidence->bytes));
	memcpy(evidence->bytes, wrong->received, evidence->wrong.n);
}

static void collect_until(struct mismatch_evidence *evidence, uint64_t deadline_ns)
{
	if (evidence->fd >= 0)
		evidence->wrong.n = await_more(evidence->fd, evidence->bytes, evidence->wrong.n,
					       sizeof(evidence->bytes), deadline_ns);
	io_close(&evidence->fd);
}

void mismatch_collect(struct mismatch_evidence *evidence)
{
	collect_until(evidence, 0);
}

struct mismatch_text mismatch_explain(struct mismatch_evidence *evidence, const struct addr *server,
				      const struct addr *source)
{
	collect_until(evidence, evidence->until_ns);
	evidence->wrong.received = evidence->bytes;
	return mismatch_format(&evidence->wrong, !evidence->has_echoed,
			       evidence->has_echoed ? NULL : server, source);
}

size_t mismatch_await_more(int fd, unsigned char *bytes, size_t n, size_t size)
{
	return await_more(fd, bytes, n, size, clock_deadline_ns(AWAIT_NS));
}
