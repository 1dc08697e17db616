/* SPDX-License-Identifier: MIT */
/* Events go from one process to another: each once, in order and whole, or not at all. */
#include "server/workers/event_ring.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "net/shm.h"
#include "unit.h"

/* Few, so that the ring is often full and wraps around often. */
#define N_PLACES 8

static struct event_ring event_ring;

static int open_reports(void **state)
{
	(void)state;
	void *memory;
	int rc = shm_map_shared(event_ring_size(N_PLACES), &memory);
	if (rc < 0)
		return rc;
	event_ring = (struct event_ring){ memory, N_PLACES };
	return 0;
}

static int close_reports(void **state)
{
	(void)state;
	shm_unmap(event_ring.ring, event_ring_size(N_PLACES));
	return 0;
}

/* Returns the N-th event: N determines all fields. */
static struct conn_record report(uint64_t n)
{
	struct conn_record record = {
		.peer = { .family = AF_INET6, .port = (uint16_t)n, .number = (uint32_t)(n * 7) },
		.in = n,
		.out = ~n,
		.lasted_ns = n * UINT64_C(0x9e3779b97f4a7c15),
		.reason = (enum close_reason)(n % (CLOSE_ERROR + 1)),
		.code = -(int)(n % 134),
		.signal = (int)(n % 64),
		.serial = (uint32_t)n,
	};
	memset(record.peer.ip, (int)(n & 0xff), sizeof(record.peer.ip));
	return record;
}

static void assert_is_report(const struct conn_record *record, uint64_t n)
{
	struct conn_record expected = report(n);
	assert_int_equal(record->in, expected.in);
	assert_int_equal(record->out, expected.out);
	assert_int_equal(record->lasted_ns, expected.lasted_ns);
	assert_int_equal(record->reason, expected.reason);
	assert_int_equal(record->code, expected.code);
	assert_int_equal(record->signal, expected.signal);
	assert_int_equal(record->serial, expected.serial);
	assert_memory_equal(&record->peer, &expected.peer, sizeof(expected.peer));
}

static bool tell(uint64_t n)
{
	struct conn_record record = report(n);
	return event_ring_post(&event_ring, &record);
}

TEST(an_empty_ring_has_nothing_and_touches_nothing)
{
	struct conn_record record = report(7);
	assert_false(event_ring_next(&event_ring, &record));
	assert_is_report(&record, 7);
}

TEST(a_report_is_read_once)
{
	struct conn_record record;
	for (uint64_t n = 1; n <= 3 * N_PLACES; n++) {
		assert_true(tell(n));
		assert_true(event_ring_next(&event_ring, &record));
		assert_is_report(&record, n);
		assert_false(event_ring_next(&event_ring, &record));
	}
}

TEST(a_full_ring_refuses_until_one_is_read_and_keeps_what_it_has)
{
	struct conn_record record;
	for (uint64_t n = 1; n <= N_PLACES; n++)
		assert_true(tell(n));
	assert_false(tell(99));
	assert_false(tell(99));
	assert_true(event_ring_next(&event_ring, &record));
	assert_is_report(&record, 1);
	assert_true(tell(N_PLACES + 1));
	assert_false(tell(99));
	for (uint64_t n = 2; n <= N_PLACES + 1; n++) {
		assert_true(event_ring_next(&event_ring, &record));
		assert_is_report(&record, n);
	}
	assert_false(event_ring_next(&event_ring, &record));
}

TEST(the_counts_may_come_round)
{
	struct conn_record record;
	atomic_store(&event_ring.ring->head, UINT32_MAX - 2);
	atomic_store(&event_ring.ring->tail, UINT32_MAX - 2);
	for (uint64_t n = 1; n <= N_PLACES; n++)
		assert_true(tell(n));
	assert_false(tell(99));
	for (uint64_t n = 1; n <= N_PLACES; n++) {
		assert_true(event_ring_next(&event_ring, &record));
		assert_is_report(&record, n);
	}
	assert_false(event_ring_next(&event_ring, &record));
}

TEST(a_ring_takes_no_more_memory_than_announced)
{
	static const uint32_t sizes[] = { 1, 2, 64, 4096 };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t size = event_ring_size(sizes[i]);
		assert_int_equal(size % 64, 0);
		unsigned char *memory = aligned_alloc(64, size + 64);
		assert_non_null(memory);
		memset(memory, 0, size);
		memset(memory + size, 0xa5, 64);
		const struct event_ring view = { (struct event_ring_memory *)memory, sizes[i] };
		struct conn_record record = report(UINT64_MAX);
		for (uint32_t n = 0; n < sizes[i]; n++)
			assert_true(event_ring_post(&view, &record));
		assert_false(event_ring_post(&view, &record));
		for (size_t at = size; at < size + 64; at++)
			assert_int_equal(memory[at], 0xa5);
		free(memory);
	}
}

/* ---- between processes ---- */

/* Writes events from this one on, until the last one or without end. */
_Noreturn static void be_writer(uint64_t first, uint64_t last)
{
	alarm(2 * UNIT_TIMEOUT_S);
	for (uint64_t n = first; n <= last; n++) {
		while (!tell(n))
			sched_yield();
	}
	_exit(0);
}

TEST(a_reader_in_another_process_has_each_report_once_and_in_order)
{
	const uint64_t last = 300000;
	struct conn_record record;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		be_writer(1, last);
	time_t hang = time(NULL) + UNIT_TIMEOUT_S;
	for (uint64_t n = 1; n <= last;) {
		if (!event_ring_next(&event_ring, &record)) {
			assert_true(time(NULL) < hang);
			sched_yield();
			continue;
		}
		assert_is_report(&record, n);
		n++;
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_false(event_ring_next(&event_ring, &record));
}

/*
 * Reads what is available, which must continue from this number. Returns the number of the next
 * one.
 */
static uint64_t read_from(uint64_t n)
{
	struct conn_record record;
	while (event_ring_next(&event_ring, &record))
		assert_is_report(&record, n++);
	return n;
}

TEST(a_writer_that_is_killed_at_any_moment_leaves_whole_reports_only)
{
	uint64_t next = 1;
	for (int moment = 0; moment < 500; moment++) {
		struct timespec until_then = { .tv_nsec = moment * 500L };
		uint64_t first = next;
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			be_writer(next, UINT64_MAX);
		/* With an active reader, and with a full ring that is not read. */
		for (long tries = 0; next == first; tries++) {
			assert_true(tries < UNIT_TIMEOUT_S * 1000L * 1000);
			sched_yield();
			next = read_from(next);
		}
		nanosleep(&until_then, NULL);
		for (int i = 0; i < moment; i++)
			next = read_from(next);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		/* Its completed events are there; the next writer continues in the same ring. */
		next = read_from(next);
	}
}

TEST(a_head_that_cannot_be_empties_the_ring)
{
	struct conn_record record;
	for (uint64_t n = 1; n <= 3; n++)
		assert_true(tell(n));
	for (uint32_t power = 1; power != 0; power *= 2) {
		uint32_t tail = atomic_load(&event_ring.ring->tail);
		if (power <= N_PLACES)
			continue;
		atomic_store(&event_ring.ring->head, tail + power);
		assert_false(event_ring_next(&event_ring, &record));
		assert_true(tell(power));
		assert_true(event_ring_next(&event_ring, &record));
		assert_is_report(&record, power);
		assert_false(event_ring_next(&event_ring, &record));
	}
}

#define REPORTS_TEST(name) cmocka_unit_test_setup_teardown(name, open_reports, close_reports)

int main(void)
{
	const struct CMUnitTest tests[] = {
		REPORTS_TEST(an_empty_ring_has_nothing_and_touches_nothing),
		REPORTS_TEST(a_report_is_read_once),
		REPORTS_TEST(a_full_ring_refuses_until_one_is_read_and_keeps_what_it_has),
		REPORTS_TEST(the_counts_may_come_round),
		cmocka_unit_test(a_ring_takes_no_more_memory_than_announced),
		REPORTS_TEST(a_head_that_cannot_be_empties_the_ring),
		REPORTS_TEST(a_reader_in_another_process_has_each_report_once_and_in_order),
		REPORTS_TEST(a_writer_that_is_killed_at_any_moment_leaves_whole_reports_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
