/* SPDX-License-Identifier: MIT */
#include "fault/fault_stream.h"

#include "base/clock.h"
#include "fault/line.h"
#include "fault/rate.h"
#include "fault/swap.h"

/* A swap waits for the partner's bytes for at most this time, and looks for them this often. */
#define SWAP_WAIT_NS CLOCK_NS_PER_S
#define SWAP_POLL_NS (2 * CLOCK_NS_PER_MS)

/* ---- the stream ---- */

/*
 * A reset destroys bytes that the client's kernel does not have yet. So that it comes at its byte,
 * it waits until all bytes before it are acknowledged, at most this long.
 */
#define RESET_WAIT_NS CLOCK_NS_PER_S

struct fault_stream {
	const struct fault_set *set;
	struct swaps *swaps;
	uint64_t number;
	uint64_t accepted_ns;
	uint64_t moved_ns; /* when bytes were last received or sent */

	uint32_t applies; /* the faults of this connection, as bits */
	uint32_t started; /* those whose trigger has come */
	uint32_t fired;   /* those that had an effect */

	uint64_t stalled_until_ns;
	bool is_silent;    /* bytes from the echo are dropped */
	bool is_forgotten; /* nothing is done any more */
	bool is_half_closing;
	bool has_sent_fin;
	bool watches_peer;

	struct rate reading, sending;
	uint64_t chunk_size;

	uint64_t in;              /* bytes taken from the echo: the offset of the next one */
	uint64_t out;             /* bytes sent: the offset that faults of time and end wait for */
	uint64_t duplicate_start; /* position in the line where the region begins */
	uint64_t swap_give_up_ns; /* 0: no swap waits */
	uint64_t reset_by_ns;
	enum fault_action end; /* FAULT_STOP or FAULT_RESET; FAULT_FOLLOW: not over */

	struct line line;
	unsigned char bytes[]; /* of the line */
};

static const struct fault *fault_at(const struct fault_stream *stream, size_t i)
{
	return &stream->set->faults[i];
}

static bool has(uint32_t bits, size_t i)
{
	return (bits & UINT32_C(1) << i) != 0;
}

static void add(uint32_t *bits, size_t i)
{
	*bits |= UINT32_C(1) << i;
}

static uint32_t choose(const struct fault_conn *conn)
{
	uint32_t applies = 0;
	for (size_t i = 0; i < conn->set->n; i++) {
		const struct fault *fault = &conn->set->faults[i];
		bool is_chosen = fault_applies(conn->set, i, conn->number);
		if (fault->kind == FAULT_SWAP) /* both of a pair, or none */
			is_chosen |= fault_applies(conn->set, i, swap_partner(conn->number));
		if (fault->kind == FAULT_LIMIT && conn->n_open <= fault->value)
			is_chosen = false;
		if (is_chosen)
			add(&applies, i);
	}
	return applies;
}

static size_t line_size(const struct fault_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		if (set->faults[i].kind == FAULT_DELAY)
			return FAULT_DELAY_LINE_SIZE;
	}
	return FAULT_LINE_SIZE;
}

size_t fault_stream_size(const struct fault_set *set)
{
	size_t size = sizeof(struct fault_stream) + line_size(set);
	return (size + FAULT_STREAM_ALIGNMENT - 1) / FAULT_STREAM_ALIGNMENT *
	       FAULT_STREAM_ALIGNMENT;
}

struct fault_stream *fault_stream_begin(void *memory, const struct fault_conn *conn)
{
	struct fault_stream *stream = memory;
	uint32_t applies = choose(conn);
	if (applies == 0)
		return NULL;
	*stream = (struct fault_stream){
		.set = conn->set,
		.swaps = conn->swaps,
		.number = conn->number,
		.accepted_ns = conn->now_ns,
		.moved_ns = conn->now_ns,
		.applies = applies,
		.end = FAULT_FOLLOW,
	};
	line_open(&stream->line, stream->bytes, line_size(conn->set));
	return stream;
}

uint64_t fault_moved_ns(const struct fault_stream *stream)
{
	return stream->moved_ns;
}

uint32_t fault_fired(const struct fault_stream *stream)
{
	return stream->fired;
}

/* ---- faults of bytes ---- */

/* What happens to the next n bytes of the echo. */
struct treatment {
	size_t n;
	unsigned char mask;
	bool is_dropped;
	bool starts_duplicate, ends_duplicate;
	const struct fault *swap; /* NULL: they are not swapped */
	size_t swap_index;
};

static uint64_t region_end(const struct fault *fault)
{
	return clock_after_ns(fault->at, fault->kind == FAULT_CORRUPT ? 1 : fault->value);
}

static bool is_of_bytes(const struct fault *fault)
{
	return fault->kind == FAULT_CORRUPT || fault->kind == FAULT_DROP ||
	       fault->kind == FAULT_DUPLICATE || fault->kind == FAULT_SWAP;
}

/* Adds one fault to the treatment of the bytes from the offset `in` on. */
static void treat_with(struct fault_stream *stream, size_t i, struct treatment *treatment)
{
	const struct fault *fault = fault_at(stream, i);
	uint64_t in = stream->in, end = region_end(fault);
	if (in >= end)
		return;
	uint64_t left = (in < fault->at ? fault->at : end) - in;
	if (left < treatment->n) {
		treatment->n = (size_t)left;
		treatment->ends_duplicate = false;
	}
	if (in < fault->at)
		return;
	if (fault->kind != FAULT_SWAP)
		add(&stream->fired, i);
	if (fault->kind == FAULT_CORRUPT)
		treatment->mask ^= (unsigned char)fault->value;
	treatment->is_dropped |= fault->kind == FAULT_DROP;
	if (fault->kind == FAULT_DUPLICATE) {
		treatment->starts_duplicate = in == fault->at;
		treatment->ends_duplicate = left == treatment->n;
	}
	if (fault->kind == FAULT_SWAP) {
		treatment->swap = fault;
		treatment->swap_index = i;
	}
}

static struct treatment treat(struct fault_stream *stream, size_t n)
{
	struct treatment treatment = { .n = n };
	for (size_t i = 0; i < stream->set->n; i++) {
		if (has(stream->applies, i) && is_of_bytes(fault_at(stream, i)))
			treat_with(stream, i, &treatment);
	}
	return treatment;
}

/*
 * Exchanges up to n bytes with the partner. Returns how many are done; 0 if the partner's are not
 * there yet. Bytes whose partner does not come in time stay as they are.
 */
static size_t exchange(struct fault_stream *stream, const struct treatment *treatment,
		       unsigned char *bytes, size_t n, uint64_t now_ns)
{
	size_t at = (size_t)(stream->in - treatment->swap->at);
	size_t done =
		swap_bytes(stream->swaps, stream->number, treatment->swap_index, at, bytes, n);
	if (done > 0) {
		add(&stream->fired, treatment->swap_index);
		n = done;
	} else if (stream->swap_give_up_ns == 0) {
		stream->swap_give_up_ns = clock_after_ns(now_ns, SWAP_WAIT_NS);
		return 0;
	} else if (now_ns < stream->swap_give_up_ns) {
		return 0;
	}
	if (at + n == treatment->swap->value)
		stream->swap_give_up_ns = 0;
	return n;
}

/* Moves up to n bytes of the echo into the line, with what the faults do to them. */
static size_t take_bytes(struct fault_stream *stream, const unsigned char *bytes, size_t n,
			 uint64_t now_ns)
{
	unsigned char copy[512];
	struct treatment treatment = treat(stream, n < sizeof(copy) ? n : sizeof(copy));
	n = treatment.n;
	for (size_t i = 0; i < n; i++)
		copy[i] = bytes[i] ^ treatment.mask;
	if (treatment.swap != NULL) {
		size_t done = exchange(stream, &treatment, copy, n, now_ns);
		treatment.ends_duplicate &= done == n;
		n = done;
	}
	if (n == 0)
		return 0;
	if (treatment.starts_duplicate)
		stream->duplicate_start = stream->line.put;
	if (!treatment.is_dropped)
		line_put(&stream->line, copy, n);
	if (treatment.ends_duplicate)
		line_put_again(&stream->line, stream->duplicate_start);
	stream->in += n;
	return n;
}

/* Returns when bytes that are put into the line now may be sent. */
static uint64_t due_ns(const struct fault_stream *stream, uint64_t offset, uint64_t now_ns)
{
	uint64_t due = now_ns;
	for (size_t i = 0; i < stream->set->n; i++) {
		const struct fault *fault = fault_at(stream, i);
		if (has(stream->applies, i) && fault->kind == FAULT_DELAY)
			due = clock_after_ns(due, fault->value - fault->jitter_ns +
							  fault_jitter_ns(stream->set, i,
									  stream->number, offset));
	}
	return due;
}

/* Moves the bytes that the echo keeps into the line, as far as there is room. */
static void take_from_echo(struct fault_stream *stream, struct echo *echo,
			   const unsigned char *buffer, uint64_t now_ns)
{
	uint64_t offset = stream->in;
	while (echo_wants(echo) == ECHO_WRITE) {
		size_t at, n, kept = echo_kept(echo, &at), room = line_room(&stream->line);
		if (stream->is_silent) {
			n = kept;
			stream->in += n;
		} else {
			n = take_bytes(stream, buffer + at, kept < room ? kept : room, now_ns);
		}
		if (n == 0)
			break;
		echo_taken(echo, n);
	}
	line_seal(&stream->line, due_ns(stream, offset, now_ns));
}

/* ---- sending ---- */

/* Returns the number of bytes until the next fault that waits for an offset. */
static uint64_t bytes_to_trigger(const struct fault_stream *stream)
{
	uint64_t bytes = UINT64_MAX;
	for (size_t i = 0; i < stream->set->n; i++) {
		const struct fault *fault = fault_at(stream, i);
		if (has(stream->applies & ~stream->started, i) && !is_of_bytes(fault) &&
		    fault->trigger == FAULT_AT_OFFSET && fault->at - stream->out < bytes)
			bytes = fault->at - stream->out;
	}
	return bytes;
}

static void lower(size_t *n, uint64_t limit)
{
	if (limit < *n)
		*n = (size_t)limit;
}

/* Returns how many bytes may be sent now, and where they are. */
static size_t sendable(struct fault_stream *stream, uint64_t now_ns,
		       const unsigned char **ret_bytes, uint64_t *until_ns)
{
	size_t n = line_sendable(&stream->line, now_ns, ret_bytes, until_ns);
	if (n == 0)
		return 0;
	lower(&n, bytes_to_trigger(stream));
	if (stream->chunk_size != 0)
		lower(&n, stream->chunk_size);
	return rate_allows(&stream->sending, now_ns, n, until_ns);
}

void fault_sent(struct fault_stream *stream, struct echo *echo, size_t n, uint64_t now_ns)
{
	line_sent(&stream->line, n);
	rate_pay(&stream->sending, n);
	stream->out += n;
	stream->moved_ns = now_ns;
	echo->out += n;
}

void fault_received(struct fault_stream *stream, size_t n, uint64_t now_ns)
{
	stream->moved_ns = now_ns;
	rate_pay(&stream->reading, n);
}

/* ---- triggers ---- */

static bool is_idle(const struct fault_stream *stream, const struct echo *echo)
{
	return line_used(&stream->line) == 0 && echo_wants(echo) == ECHO_READ;
}

/* Returns whether the trigger has come. If its time is known, lowers *until_ns to it. */
static bool has_come(const struct fault_stream *stream, const struct fault *fault,
		     const struct echo *echo, uint64_t now_ns, uint64_t *until_ns)
{
	uint64_t at_ns = 0;
	switch (fault->trigger) {
	case FAULT_AT_ACCEPT:
		return true;
	case FAULT_AT_OFFSET:
		return stream->out >= fault->at;
	case FAULT_AT_EOF:
		return echo_wants(echo) == ECHO_FINISH && line_used(&stream->line) == 0;
	case FAULT_AT_IDLE:
		if (!is_idle(stream, echo))
			return false;
		at_ns = clock_after_ns(stream->moved_ns, fault->at);
		break;
	case FAULT_AT_TIME:
		at_ns = clock_after_ns(stream->accepted_ns, fault->at);
		break;
	}
	if (now_ns < at_ns)
		*until_ns = clock_earlier_ns(*until_ns, at_ns);
	return now_ns >= at_ns;
}

static void start(struct fault_stream *stream, size_t i, uint64_t now_ns)
{
	const struct fault *fault = fault_at(stream, i);
	add(&stream->started, i);
	if (fault->kind != FAULT_NO_HALF_CLOSE)
		add(&stream->fired, i);
	switch (fault->kind) {
	case FAULT_THROTTLE:
		stream->sending.bytes_per_s = fault->value;
		break;
	case FAULT_SLOW_READ:
		stream->reading.bytes_per_s = fault->value;
		break;
	case FAULT_CHUNK:
		stream->chunk_size = fault->value;
		break;
	case FAULT_NO_ACCEPT:
	case FAULT_STALL:
		stream->stalled_until_ns = clock_after_ns(now_ns, fault->value);
		break;
	case FAULT_TRUNCATE:
	case FAULT_LIMIT:
		stream->end = FAULT_STOP;
		break;
	case FAULT_RST:
		stream->end = FAULT_RESET;
		stream->reset_by_ns = clock_after_ns(now_ns, RESET_WAIT_NS);
		break;
	case FAULT_NO_HALF_CLOSE:
		stream->watches_peer = true;
		break;
	case FAULT_HALF_CLOSE:
		stream->is_half_closing = true;
		break;
	case FAULT_NO_FIN:
	case FAULT_FORGET:
		stream->is_forgotten = true;
		break;
	case FAULT_SILENT:
		stream->is_silent = true;
		line_drop(&stream->line);
		break;
	case FAULT_BANNER:
		line_put(&stream->line, fault->text, fault->text_size);
		line_seal(&stream->line, now_ns);
		break;
	case FAULT_DELAY:
	case FAULT_CORRUPT:
	case FAULT_DROP:
	case FAULT_DUPLICATE:
	case FAULT_SWAP:
	case FAULT_KINDS:
		break; /* nothing to start */
	}
}

static void start_due(struct fault_stream *stream, const struct echo *echo, uint64_t now_ns,
		      uint64_t *until_ns)
{
	for (size_t i = 0; i < stream->set->n; i++) {
		const struct fault *fault = fault_at(stream, i);
		if (has(stream->applies & ~stream->started, i) && !is_of_bytes(fault) &&
		    has_come(stream, fault, echo, now_ns, until_ns))
			start(stream, i, now_ns);
	}
}

void fault_fin_sent(struct fault_stream *stream)
{
	stream->has_sent_fin = true;
	stream->is_silent = true;
	line_drop(&stream->line);
}

bool fault_watches_peer(const struct fault_stream *stream)
{
	return stream->watches_peer;
}

void fault_peer_closed(struct fault_stream *stream)
{
	for (size_t i = 0; i < stream->set->n; i++) {
		if (has(stream->applies, i) && fault_at(stream, i)->kind == FAULT_NO_HALF_CLOSE)
			add(&stream->fired, i);
	}
	stream->watches_peer = false;
	stream->is_silent = true;
	line_drop(&stream->line);
}

/* ---- steps ---- */

/* Returns whether the connection can receive now, and how much. */
static size_t receivable(struct fault_stream *stream, const struct echo *echo, uint64_t now_ns,
			 uint64_t *until_ns)
{
	if (echo_wants(echo) != ECHO_READ || line_room(&stream->line) == 0)
		return 0;
	return rate_allows(&stream->reading, now_ns, SIZE_MAX, until_ns);
}

struct fault_step fault_stream_next(struct fault_stream *stream, struct echo *echo,
				    const unsigned char *buffer, uint64_t now_ns)
{
	struct fault_step step = { .action = FAULT_FOLLOW, .until_ns = CLOCK_NEVER };
	if (echo->stopped || echo_wants(echo) == ECHO_CLOSE)
		return step;
	start_due(stream, echo, now_ns, &step.until_ns);
	if (stream->end != FAULT_FOLLOW) {
		step.action = stream->end;
		step.until_ns = stream->reset_by_ns;
		return step;
	}
	if (stream->is_half_closing && !stream->has_sent_fin) {
		step.action = FAULT_SEND_FIN;
		return step;
	}
	step.action = FAULT_SLEEP;
	if (stream->is_forgotten) {
		step.until_ns = CLOCK_NEVER;
		return step;
	}
	if (now_ns < stream->stalled_until_ns) {
		step.until_ns = clock_earlier_ns(step.until_ns, stream->stalled_until_ns);
		return step;
	}
	take_from_echo(stream, echo, buffer, now_ns);
	if (stream->swap_give_up_ns != 0)
		step.until_ns = clock_earlier_ns(step.until_ns, now_ns + SWAP_POLL_NS);
	step.size = sendable(stream, now_ns, &step.bytes, &step.until_ns);
	if (step.size > 0) {
		step.action = FAULT_SEND;
		return step;
	}
	step.size = receivable(stream, echo, now_ns, &step.until_ns);
	if (step.size > 0)
		step.action = FAULT_RECEIVE;
	else if (line_used(&stream->line) == 0 && echo_wants(echo) == ECHO_FINISH)
		step.action = FAULT_FOLLOW;
	return step;
}
