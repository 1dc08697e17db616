/* SPDX-License-Identifier: MIT */
/*
 * The faults of one connection, driven like a socket whose receives and sends have any size. The
 * same bytes are hit for every segmentation; time faults and ends come at their byte or time.
 */
#include "fault/fault_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fault/swap.h"
#include "unit.h"

#define SIZE_MAX_TEST (64 * 1024)

#define MS CLOCK_NS_PER_MS

static struct fault_set set_of(const char *specs)
{
	struct fault_set set = { .seed = 7 };
	char copy[256];
	snprintf(copy, sizeof(copy), "%s", specs);
	for (char *spec = strtok(copy, " "); spec != NULL; spec = strtok(NULL, " ")) {
		struct fault fault;
		struct reason reason = { "" };
		if (fault_parse(spec, &fault, &reason) < 0 ||
		    fault_set_add(&set, &fault, &reason) < 0)
			fail_msg("%s: %s", spec, reason.text);
	}
	return set;
}

/* A connection: what the client sends, what it gets, and a driver in between. */
struct wire {
	struct fault_set set;
	void *memory;
	struct fault_stream *stream;
	struct echo echo;
	const unsigned char *sends; /* by the client */
	size_t n_sends, n_read;     /* ... and how many of them were received */
	bool closes;                /* its FIN follows */
	unsigned char got[2 * SIZE_MAX_TEST];
	size_t n_got;
	bool got_fin, got_reset, was_stopped;
	unsigned char buffer[4096];
	uint64_t now_ns;
	size_t piece_max; /* of a receive or a send; 0: random */
	unsigned int random;
};

static size_t wire_size(struct wire *wire, size_t most)
{
	size_t size = wire->piece_max;
	if (size == 0)
		size = (size_t)(rand_r(&wire->random) % 997) + 1;
	return size < most ? size : most;
}

static void wire_open(struct wire *wire, const char *specs, uint64_t number, struct swaps *swaps)
{
	*wire = (struct wire){ .set = set_of(specs), .now_ns = 1000 * MS, .random = 1 };
	const struct fault_conn conn = {
		.set = &wire->set,
		.swaps = swaps,
		.number = number,
		.n_open = number,
		.now_ns = wire->now_ns,
	};
	wire->memory = aligned_alloc(FAULT_STREAM_ALIGNMENT, fault_stream_size(&wire->set));
	assert_non_null(wire->memory);
	wire->stream = fault_stream_begin(wire->memory, &conn);
}

static void wire_receive(struct wire *wire, size_t size)
{
	size_t most = size < sizeof(wire->buffer) ? size : sizeof(wire->buffer);
	size_t n = wire_size(wire, most);
	if (n > wire->n_sends - wire->n_read)
		n = wire->n_sends - wire->n_read;
	memcpy(wire->buffer, wire->sends + wire->n_read, n);
	wire->n_read += n;
	echo_got(&wire->echo, n);
	fault_received(wire->stream, n, wire->now_ns);
}

static void wire_send(struct wire *wire, const struct fault_step *step)
{
	size_t n = wire_size(wire, step->size);
	assert_in_range(wire->n_got + n, 0, sizeof(wire->got));
	memcpy(wire->got + wire->n_got, step->bytes, n);
	wire->n_got += n;
	fault_sent(wire->stream, &wire->echo, n, wire->now_ns);
}

/* What the echo itself wants in the end. Returns false when the connection is over. */
static bool wire_follow(struct wire *wire)
{
	enum echo_want want = echo_wants(&wire->echo);
	if (want == ECHO_FINISH) {
		wire->got_fin = true;
		echo_finished(&wire->echo);
	} else if (want == ECHO_DISCARD) {
		echo_ended(&wire->echo);
	}
	return want == ECHO_FINISH || want == ECHO_DISCARD;
}

/* Takes one step. Returns false if the connection is over or waits; *ret_until_ns as in a step. */
static bool wire_step(struct wire *wire, uint64_t *ret_until_ns)
{
	struct fault_step step =
		fault_stream_next(wire->stream, &wire->echo, wire->buffer, wire->now_ns);
	*ret_until_ns = step.until_ns;
	switch (step.action) {
	case FAULT_RECEIVE:
		assert_true(step.size > 0);
		if (wire->n_read < wire->n_sends)
			wire_receive(wire, step.size);
		else if (wire->closes && echo_wants(&wire->echo) == ECHO_READ)
			echo_ended(&wire->echo);
		else
			return false;
		return true;
	case FAULT_SEND:
		wire_send(wire, &step);
		return true;
	case FAULT_SLEEP:
		return false;
	case FAULT_FOLLOW:
		return wire_follow(wire);
	case FAULT_SEND_FIN:
		wire->got_fin = true;
		fault_fin_sent(wire->stream);
		return true;
	case FAULT_STOP:
		wire->was_stopped = true;
		echo_stop(&wire->echo);
		return true;
	case FAULT_RESET:
		wire->got_reset = true;
		return false;
	}
	return false;
}

/* Runs until the connection is over, or waits for the client or for a time after `until_ns`. */
static void wire_run(struct wire *wire, uint64_t until_ns)
{
	for (int steps = 0; steps < 1000000; steps++) {
		uint64_t next_ns;
		if (wire_step(wire, &next_ns))
			continue;
		if (next_ns > until_ns || wire->got_reset || echo_wants(&wire->echo) == ECHO_CLOSE)
			return;
		assert_true(next_ns > wire->now_ns); /* it would spin */
		wire->now_ns = next_ns;
	}
	fail_msg("no end");
}

static void wire_close(struct wire *wire)
{
	free(wire->memory);
}

static unsigned char sample[SIZE_MAX_TEST];

static void make_sample(void)
{
	unsigned int random = 42;
	for (size_t i = 0; i < sizeof(sample); i++)
		sample[i] = (unsigned char)rand_r(&random);
}

/* The client sends `n` bytes and its FIN. */
static void talk_to(struct wire *wire, const char *specs, size_t n, size_t piece_max)
{
	make_sample();
	wire_open(wire, specs, 1, NULL);
	wire->sends = sample;
	wire->n_sends = n;
	wire->closes = true;
	wire->piece_max = piece_max;
	wire_run(wire, CLOCK_NEVER - 1);
	wire_close(wire);
}

static const size_t piece_sizes[] = { 1, 2, 7, 100, 511, 512, 513, 4096, 100000, 0 };

/* ---- faults of bytes ---- */

TEST(a_connection_without_a_fault_has_no_stream)
{
	struct wire wire;
	wire_open(&wire, "rst@1,conn=5", 4, NULL);
	assert_null(wire.stream);
	wire_close(&wire);
	wire_open(&wire, "rst@1,conn=5", 5, NULL);
	assert_non_null(wire.stream);
	wire_close(&wire);
}

/* What must come back for the faults of bytes of the sample's first n bytes. */
static size_t expected_bytes(const struct fault_set *set, size_t n, unsigned char *out)
{
	size_t size = 0, region_start = 0;
	for (size_t at = 0; at < n; at++) {
		unsigned char byte = sample[at];
		bool is_dropped = false, repeats = false;
		for (size_t i = 0; i < set->n; i++) {
			const struct fault *fault = &set->faults[i];
			size_t length = fault->kind == FAULT_CORRUPT ? 1 : fault->value;
			if (at < fault->at || at >= fault->at + length)
				continue;
			if (fault->kind == FAULT_CORRUPT)
				byte ^= (unsigned char)fault->value;
			is_dropped |= fault->kind == FAULT_DROP;
			if (fault->kind == FAULT_DUPLICATE && at == fault->at)
				region_start = size;
			repeats |= fault->kind == FAULT_DUPLICATE && at + 1 == fault->at + length;
		}
		if (!is_dropped)
			out[size++] = byte;
		for (size_t from = region_start, end = size; repeats && from < end; from++)
			out[size++] = out[from];
	}
	return size;
}

TEST(the_same_bytes_are_hit_for_every_segmentation)
{
	static const char *const specs[] = {
		"corrupt@0=0x80",
		"corrupt@4096=0x01 corrupt@4096=0x03 corrupt@8191=0xff",
		"drop@8k=100",
		"drop@0=1",
		"drop@8k=1M",
		"duplicate@8k=100",
		"duplicate@0=4096 duplicate@4096=4096 duplicate@8192=1",
		"drop@100=50 duplicate@120=100 corrupt@130=0x10 corrupt@160=0x10 chunk=3",
		"duplicate@40000=100 corrupt@40050=2 throttle=100M/s",
	};
	static struct wire wire;
	static unsigned char expected[2 * SIZE_MAX_TEST];
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		for (size_t j = 0; j < ARRAY_LEN(piece_sizes); j++) {
			talk_to(&wire, specs[i], sizeof(sample), piece_sizes[j]);
			size_t n = expected_bytes(&wire.set, sizeof(sample), expected);
			assert_int_equal(wire.n_got, n);
			assert_memory_equal(wire.got, expected, n);
			assert_true(wire.got_fin);
			assert_int_equal(wire.echo.in, sizeof(sample));
			assert_int_equal(wire.echo.out, n);
		}
	}
}

TEST(a_chunk_is_the_most_that_is_sent_at_a_time)
{
	static struct wire wire;
	make_sample();
	wire_open(&wire, "chunk=5", 1, NULL);
	wire.sends = sample;
	wire.n_sends = 1000;
	wire.piece_max = SIZE_MAX_TEST;
	for (uint64_t until_ns;;) {
		size_t before = wire.n_got;
		if (!wire_step(&wire, &until_ns))
			break;
		assert_in_range(wire.n_got - before, 0, 5);
	}
	assert_int_equal(wire.n_got, 1000);
	assert_memory_equal(wire.got, sample, 1000);
	wire_close(&wire);
}

TEST(two_connections_exchange_the_bytes_of_a_region)
{
	static struct wire wires[2];
	static unsigned char other[1000];
	for (size_t j = 0; j < ARRAY_LEN(piece_sizes); j++) {
		struct swaps *swaps = calloc(1, swaps_size());
		make_sample();
		memset(other, 'x', sizeof(other));
		for (int i = 0; i < 2; i++) {
			wire_open(&wires[i], "swap@100=300", (uint64_t)i + 5, swaps);
			wires[i].sends = i == 0 ? sample : other;
			wires[i].n_sends = sizeof(other);
			wires[i].piece_max = piece_sizes[j];
		}
		for (int turns = 0; turns < 3000; turns++) {
			for (int i = 0; i < 2; i++) {
				uint64_t until_ns;
				wire_step(&wires[i], &until_ns);
			}
		}
		for (int i = 0; i < 2; i++) {
			const unsigned char *own = wires[i].sends, *others = wires[1 - i].sends;
			assert_int_equal(wires[i].n_got, sizeof(other));
			assert_memory_equal(wires[i].got, own, 100);
			assert_memory_equal(wires[i].got + 100, others + 100, 300);
			assert_memory_equal(wires[i].got + 400, own + 400, 600);
			assert_int_equal(fault_fired(wires[i].stream), 1);
			wire_close(&wires[i]);
		}
		free(swaps);
	}
}

TEST(without_a_partner_the_bytes_of_a_swap_stay_as_they_are)
{
	static struct wire wire;
	struct swaps *swaps = calloc(1, swaps_size());
	make_sample();
	wire_open(&wire, "swap@100=300", 1, swaps);
	wire.sends = sample;
	wire.n_sends = 1000;
	wire_run(&wire, wire.now_ns + 100 * MS);
	assert_int_equal(wire.n_got, 100);
	wire_run(&wire, wire.now_ns + 5000 * MS);
	assert_int_equal(wire.n_got, 1000);
	assert_memory_equal(wire.got, sample, 1000);
	assert_int_equal(fault_fired(wire.stream), 0);
	wire_close(&wire);
	free(swaps);
}

/* ---- faults of the end ---- */

TEST(the_end_comes_at_its_byte_for_every_segmentation)
{
	static struct wire wire;
	for (size_t j = 0; j < ARRAY_LEN(piece_sizes); j++) {
		talk_to(&wire, "truncate@1000", sizeof(sample), piece_sizes[j]);
		assert_int_equal(wire.n_got, 1000);
		assert_true(wire.was_stopped && wire.got_fin && !wire.got_reset);
		talk_to(&wire, "rst@1000", sizeof(sample), piece_sizes[j]);
		assert_int_equal(wire.n_got, 1000);
		assert_true(wire.got_reset && !wire.got_fin);
		talk_to(&wire, "half-close@1000", sizeof(sample), piece_sizes[j]);
		assert_int_equal(wire.n_got, 1000);
		assert_true(wire.got_fin);
		assert_int_equal(wire.n_read, sizeof(sample)); /* it reads on */
	}
}

TEST(the_end_comes_at_a_byte_that_is_the_last_one)
{
	static struct wire wire;
	talk_to(&wire, "rst@1000", 1000, 0);
	assert_int_equal(wire.n_got, 1000);
	assert_true(wire.got_reset);
	talk_to(&wire, "rst@1001", 1000, 0);
	assert_true(wire.got_fin && !wire.got_reset);
}

TEST(a_reset_at_accept_or_at_the_end_of_the_stream)
{
	static struct wire wire;
	talk_to(&wire, "rst@accept", 1000, 0);
	assert_true(wire.got_reset && wire.n_got == 0 && wire.n_read == 0);
	talk_to(&wire, "rst@eof", 1000, 0);
	assert_true(wire.got_reset && wire.n_got == 1000);
}

TEST(without_a_fin_the_echo_is_whole_and_the_end_never_comes)
{
	static struct wire wire;
	talk_to(&wire, "no-fin", 1000, 0);
	assert_int_equal(wire.n_got, 1000);
	assert_false(wire.got_fin);
	assert_int_equal(wire.echo.want, ECHO_FINISH);
}

TEST(without_half_close_the_rest_is_dropped_at_the_clients_fin)
{
	static struct wire wire;
	make_sample();
	wire_open(&wire, "no-half-close", 1, NULL);
	wire.sends = sample;
	wire.n_sends = 500;
	wire_run(&wire, wire.now_ns);
	assert_int_equal(wire.n_got, 500);
	assert_true(fault_watches_peer(wire.stream));
	fault_peer_closed(wire.stream);
	assert_false(fault_watches_peer(wire.stream));
	wire.n_sends = 2000;
	wire.closes = true;
	wire_run(&wire, wire.now_ns);
	assert_int_equal(wire.n_got, 500);
	assert_true(wire.got_fin);
	wire_close(&wire);
}

TEST(a_limit_closes_what_is_over_it)
{
	static struct wire wire;
	wire_open(&wire, "limit=3", 3, NULL);
	assert_null(wire.stream);
	wire_close(&wire);
	wire_open(&wire, "limit=3", 4, NULL);
	wire_run(&wire, wire.now_ns);
	assert_true(wire.was_stopped);
	wire_close(&wire);
}

TEST(a_banner_comes_first_and_counts_as_sent)
{
	static struct wire wire;
	talk_to(&wire, "banner=hello\\n truncate@1k", sizeof(sample), 0);
	assert_int_equal(wire.n_got, 1024);
	assert_memory_equal(wire.got, "hello\n", 6);
	assert_memory_equal(wire.got + 6, sample, 1018);
}

TEST(a_silent_server_reads_everything_and_echoes_nothing)
{
	static struct wire wire;
	talk_to(&wire, "silent", sizeof(sample), 0);
	assert_int_equal(wire.n_got, 0);
	assert_int_equal(wire.n_read, sizeof(sample));
	assert_true(wire.got_fin);
	talk_to(&wire, "silent@1000", sizeof(sample), 0);
	assert_int_equal(wire.n_got, 1000);
	assert_int_equal(wire.n_read, sizeof(sample));
}

/* ---- faults of time ---- */

TEST(a_stall_lasts_its_time_and_reads_nothing)
{
	static struct wire wire;
	make_sample();
	wire_open(&wire, "stall@1000=30s", 1, NULL);
	uint64_t start_ns = wire.now_ns;
	wire.sends = sample;
	wire.n_sends = sizeof(sample);
	wire_run(&wire, start_ns + 29 * CLOCK_NS_PER_S);
	assert_int_equal(wire.n_got, 1000);
	assert_in_range(wire.n_read, 1000, 1000 + FAULT_LINE_SIZE + sizeof(wire.buffer));
	wire_run(&wire, start_ns + 31 * CLOCK_NS_PER_S);
	assert_int_equal(wire.n_got, sizeof(sample));
	assert_memory_equal(wire.got, sample, sizeof(sample));
	wire_close(&wire);
}

TEST(what_is_forgotten_stays_forgotten)
{
	static struct wire wire;
	make_sample();
	wire_open(&wire, "forget@idle=5m", 1, NULL);
	uint64_t start_ns = wire.now_ns;
	wire.sends = sample;
	wire.n_sends = 100;
	wire_run(&wire, start_ns + 299 * CLOCK_NS_PER_S);
	assert_int_equal(wire.n_got, 100);
	wire.now_ns = start_ns + 299 * CLOCK_NS_PER_S;
	wire.n_sends = 200; /* it is not idle any more */
	wire_run(&wire, start_ns + 400 * CLOCK_NS_PER_S);
	assert_int_equal(wire.n_got, 200);
	wire_run(&wire, start_ns + 700 * CLOCK_NS_PER_S);
	wire.n_sends = 300;
	wire_run(&wire, start_ns + 10000 * CLOCK_NS_PER_S);
	assert_int_equal(wire.n_got, 200);
	assert_int_equal(wire.n_read, 200);
	wire_close(&wire);
}

TEST(a_fault_at_a_time_comes_at_that_time_while_nothing_moves)
{
	static struct wire wire;
	wire_open(&wire, "rst@3s", 1, NULL);
	wire_run(&wire, wire.now_ns + 2999 * MS);
	assert_false(wire.got_reset);
	wire_run(&wire, wire.now_ns + 3001 * MS);
	assert_true(wire.got_reset);
	wire_close(&wire);
}

TEST(each_byte_is_delayed_and_the_order_is_kept)
{
	static struct wire wire;
	make_sample();
	wire_open(&wire, "delay=100ms~50ms", 1, NULL);
	uint64_t start_ns = wire.now_ns;
	wire.sends = sample;
	for (int i = 0; i < 40; i++) { /* 100 bytes each 10 ms: none waits for the one before */
		wire.now_ns = start_ns + (uint64_t)i * 10 * MS;
		wire.n_sends += 100;
		wire_run(&wire, wire.now_ns);
		/* No byte comes before its delay, and none later than the longest one. */
		size_t soonest = i >= 5 ? (size_t)(i - 4) * 100 : 0;
		size_t latest = i >= 16 ? (size_t)(i - 15) * 100 : 0;
		assert_in_range(wire.n_got, latest, soonest);
	}
	wire_run(&wire, start_ns + 1000 * MS);
	assert_int_equal(wire.n_got, 4000);
	assert_memory_equal(wire.got, sample, 4000);
	wire_close(&wire);
}

TEST(a_throttle_holds_its_rate_and_keeps_back_pressure)
{
	static struct wire wire;
	make_sample();
	wire_open(&wire, "throttle=10k/s", 1, NULL);
	uint64_t start_ns = wire.now_ns;
	wire.sends = sample;
	wire.n_sends = sizeof(sample);
	wire_run(&wire, start_ns + 1000 * MS);
	assert_in_range(wire.n_got, 10 * 1024 - 300, 10 * 1024 + 300);
	assert_in_range(wire.n_read, 0, wire.n_got + FAULT_LINE_SIZE + sizeof(wire.buffer));
	wire_run(&wire, start_ns + 2000 * MS);
	assert_in_range(wire.n_got, 20 * 1024 - 300, 20 * 1024 + 300);
	wire_close(&wire);
}

TEST(a_slow_reader_reads_at_its_rate)
{
	static struct wire wire;
	make_sample();
	wire_open(&wire, "slow-read=10k/s", 1, NULL);
	wire.sends = sample;
	wire.n_sends = sizeof(sample);
	wire_run(&wire, wire.now_ns + 1000 * MS);
	assert_in_range(wire.n_read, 10 * 1024 - 300, 10 * 1024 + 300);
	assert_int_equal(wire.n_got, wire.n_read);
	wire_close(&wire);
}

TEST(a_rate_below_one_byte_in_a_burst_is_held_too)
{
	static struct wire wire;
	make_sample();
	wire_open(&wire, "throttle=2", 1, NULL);
	wire.sends = sample;
	wire.n_sends = 100;
	wire_run(&wire, wire.now_ns + 10 * CLOCK_NS_PER_S);
	assert_in_range(wire.n_got, 19, 22);
	wire_close(&wire);
}

TEST(a_new_connection_is_left_unserved_for_a_time)
{
	static struct wire wire;
	make_sample();
	wire_open(&wire, "no-accept=5s", 1, NULL);
	uint64_t start_ns = wire.now_ns;
	wire.sends = sample;
	wire.n_sends = 100;
	wire_run(&wire, start_ns + 4999 * MS);
	assert_int_equal(wire.n_read, 0);
	wire_run(&wire, start_ns + 5001 * MS);
	assert_int_equal(wire.n_got, 100);
	wire_close(&wire);
}

/* ---- the end of the server ---- */

TEST(a_server_that_ends_ends_its_faults)
{
	static const char *const specs[] = { "forget@accept", "stall",    "no-fin",
					     "silent",        "delay=1m", "half-close@accept" };
	static struct wire wire;
	make_sample();
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		wire_open(&wire, specs[i], 1, NULL);
		wire.sends = sample;
		wire.n_sends = 100;
		wire_run(&wire, wire.now_ns);
		echo_stop(&wire.echo);
		wire_run(&wire, wire.now_ns);
		assert_int_equal(echo_wants(&wire.echo), ECHO_CLOSE);
		wire_close(&wire);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_without_a_fault_has_no_stream),
		cmocka_unit_test(the_same_bytes_are_hit_for_every_segmentation),
		cmocka_unit_test(a_chunk_is_the_most_that_is_sent_at_a_time),
		cmocka_unit_test(two_connections_exchange_the_bytes_of_a_region),
		cmocka_unit_test(without_a_partner_the_bytes_of_a_swap_stay_as_they_are),
		cmocka_unit_test(the_end_comes_at_its_byte_for_every_segmentation),
		cmocka_unit_test(the_end_comes_at_a_byte_that_is_the_last_one),
		cmocka_unit_test(a_reset_at_accept_or_at_the_end_of_the_stream),
		cmocka_unit_test(without_a_fin_the_echo_is_whole_and_the_end_never_comes),
		cmocka_unit_test(without_half_close_the_rest_is_dropped_at_the_clients_fin),
		cmocka_unit_test(a_limit_closes_what_is_over_it),
		cmocka_unit_test(a_banner_comes_first_and_counts_as_sent),
		cmocka_unit_test(a_silent_server_reads_everything_and_echoes_nothing),
		cmocka_unit_test(a_stall_lasts_its_time_and_reads_nothing),
		cmocka_unit_test(what_is_forgotten_stays_forgotten),
		cmocka_unit_test(a_fault_at_a_time_comes_at_that_time_while_nothing_moves),
		cmocka_unit_test(each_byte_is_delayed_and_the_order_is_kept),
		cmocka_unit_test(a_throttle_holds_its_rate_and_keeps_back_pressure),
		cmocka_unit_test(a_slow_reader_reads_at_its_rate),
		cmocka_unit_test(a_rate_below_one_byte_in_a_burst_is_held_too),
		cmocka_unit_test(a_new_connection_is_left_unserved_for_a_time),
		cmocka_unit_test(a_server_that_ends_ends_its_faults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
