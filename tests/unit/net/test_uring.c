/* SPDX-License-Identifier: MIT */
/*
 * A ring's promises in normal operation, without room for completions, without buffers, and against
 * an intruder in the process: the ring can make four requests and no other.
 *
 * Calls of liburing go through here, so that a test can have a small ring, or none, and can make
 * requests for which net/uring.h has no function.
 */
#include "net/uring.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit.h"

#define BUFFER_SIZE ((size_t)4096)

/* A tag of each kind of request. */
enum { RECEIVE = 1000, SEND, POLL, OTHER };

/* ---- between the ring and liburing ---- */

static unsigned int most_requests = UINT32_MAX; /* larger rings fail as over RLIMIT_MEMLOCK */
static int opening_fails_with;                  /* a negative code */
static struct io_uring *uring;                  /* the ring opened last */

int __real_io_uring_queue_init_params(unsigned int n, struct io_uring *ring,
				      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned int n, struct io_uring *ring,
				      struct io_uring_params *params);

int __wrap_io_uring_queue_init_params(unsigned int n, struct io_uring *ring,
				      struct io_uring_params *params)
{
	if (opening_fails_with < 0)
		return opening_fails_with;
	if (n > most_requests)
		return -ENOMEM;
	uring = ring;
	return __real_io_uring_queue_init_params(n, ring, params);
}

/*
 * Returns whether the kernel allows rings. It does not use the subject, which may be wrong about
 * it.
 */
static bool has_rings(void)
{
	struct io_uring probe;
	struct io_uring_params params = { .flags = IORING_SETUP_SINGLE_ISSUER |
						   IORING_SETUP_DEFER_TASKRUN };
	int rc = __real_io_uring_queue_init_params(4, &probe, &params);
	if (rc < 0)
		printf("# no rings here: %s\n", strerror(-rc));
	else
		io_uring_queue_exit(&probe);
	return rc == 0;
}

/* ---- a ring, and a connection ---- */

static struct uring *ring;
static int ours, theirs;

static void open_ring(unsigned int n_buffers)
{
	if (!has_rings())
		unit_skip("this kernel has no io_uring, or does not allow it");
	assert_int_equal(uring_open(&ring, n_buffers, BUFFER_SIZE), 0);
	struct sockaddr_in address;
	int listening = unit_listen(1, &address);
	theirs = unit_connect(&address);
	ours = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	assert_true(ours >= 0);
	close(listening);
}

static int close_ring(void **state)
{
	(void)state;
	if (ring == NULL)
		return 0;
	uring_close(ring);
	if (ours >= 0)
		close(ours);
	close(theirs);
	ring = NULL;
	most_requests = UINT32_MAX;
	opening_fails_with = 0;
	return 0;
}

/* Waits for the next completion and returns it. */
static struct uring_completion next_done(void)
{
	struct uring_completion done;
	uint64_t hang_ns = clock_deadline_ns(UNIT_TIMEOUT_S * CLOCK_NS_PER_S);
	while (!uring_next(ring, &done)) {
		assert_true(clock_now_ns() < hang_ns);
		assert_int_equal(uring_wait(ring, hang_ns), 0);
	}
	return done;
}

static void assert_nothing_is_done(void)
{
	struct uring_completion done;
	assert_int_equal(uring_wait(ring, 0), 0);
	assert_false(uring_next(ring, &done));
}

static void assert_received(const struct uring_completion *done, const char *text)
{
	assert_int_equal(done->tag, RECEIVE);
	assert_int_equal(done->result, strlen(text));
	assert_true(done->buffer >= 0);
	assert_memory_equal(uring_buffer(ring, done->buffer), text, strlen(text));
}

/* The peer sends a text, which a buffer receives. Returns the buffer. */
static int pass(const char *text)
{
	unit_write(theirs, text, strlen(text));
	struct uring_completion done = next_done();
	assert_received(&done, text);
	assert_true(done.more);
	return done.buffer;
}

/* ---- what it is for ---- */

TEST(a_receive_lasts_and_brings_each_message_in_a_buffer_until_the_end)
{
	open_ring(4);
	uring_receive(ring, ours, RECEIVE);
	for (int i = 0; i < 20; i++)
		uring_give_back(ring, pass(i % 2 ? "odd" : "even, and longer"));
	shutdown(theirs, SHUT_WR);
	struct uring_completion done = next_done();
	assert_int_equal(done.tag, RECEIVE);
	assert_int_equal(done.result, 0);
	assert_false(done.more);
}

TEST(a_send_takes_what_there_is_room_for_and_never_waits)
{
	static unsigned char bytes[16 << 20];
	open_ring(1);
	uring_send(ring, ours, bytes, sizeof(bytes), SEND);
	struct uring_completion done = next_done();
	assert_int_equal(done.tag, SEND);
	assert_true(done.result > 0 && (size_t)done.result < sizeof(bytes));
	assert_false(done.more);
	for (int sent = done.result; done.result != -EAGAIN; sent += done.result) {
		assert_true(done.result > 0 && (size_t)sent < sizeof(bytes));
		uring_send(ring, ours, bytes, sizeof(bytes), SEND);
		done = next_done();
	}
}

TEST(a_send_to_a_closed_peer_is_an_error_and_no_signal)
{
	open_ring(1);
	unit_reset(theirs);
	theirs = -1;
	struct pollfd reset = { .fd = ours };
	assert_int_equal(poll(&reset, 1, UNIT_TIMEOUT_S * 1000), 1);
	for (int i = 0; i < 2; i++) {
		uring_send(ring, ours, "x", 1, SEND);
		struct uring_completion done = next_done();
		assert_int_equal(done.result, i == 0 ? -ECONNRESET : -EPIPE);
	}
}

TEST(waiting_ends_at_its_deadline_and_with_zero_at_once)
{
	open_ring(1);
	uring_receive(ring, ours, RECEIVE);
	assert_nothing_is_done();
	uint64_t deadline_ns = clock_deadline_ns(20 * CLOCK_NS_PER_MS);
	assert_int_equal(uring_wait(ring, deadline_ns), 0);
	assert_true(clock_now_ns() >= deadline_ns);
	assert_false(uring_has_done(ring));
	unit_write(theirs, "x", 1);
	assert_int_equal(uring_wait(ring, CLOCK_NEVER), 0);
	assert_true(uring_has_done(ring));
}

static void nothing(int signal)
{
	(void)signal;
}

TEST(a_signal_does_not_end_the_wait)
{
	open_ring(1);
	uring_receive(ring, ours, RECEIVE);
	const struct sigaction heard = { .sa_handler = nothing };
	const struct itimerval soon = { .it_value = { .tv_usec = 20000 } };
	assert_int_equal(sigaction(SIGALRM, &heard, NULL), 0);
	for (int i = 0; i < 2; i++) { /* with a request to submit, and without */
		assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
		uint64_t deadline_ns = clock_deadline_ns(100 * CLOCK_NS_PER_MS);
		assert_int_equal(uring_wait(ring, deadline_ns), 0);
		assert_true(clock_now_ns() >= deadline_ns);
		assert_false(uring_has_done(ring));
	}
}

/* ---- cancelling, and the end of a socket ---- */

TEST(what_is_cancelled_has_a_last_completion_and_cancelling_has_none)
{
	open_ring(1);
	uring_receive(ring, ours, RECEIVE);
	uring_poll(ring, theirs, POLLIN, POLL);
	assert_nothing_is_done();
	uring_cancel(ring, OTHER); /* there is no such request */
	uring_cancel(ring, RECEIVE);
	uring_cancel(ring, POLL);
	bool seen[2] = { false, false };
	for (int i = 0; i < 2; i++) {
		struct uring_completion done = next_done();
		assert_true(done.tag == RECEIVE || done.tag == POLL);
		assert_int_equal(done.result, -ECANCELED);
		assert_false(done.more);
		assert_false(seen[done.tag == POLL]);
		seen[done.tag == POLL] = true;
	}
	assert_nothing_is_done();
}

TEST(a_socket_that_is_closed_behind_the_last_completion_sends_its_fin)
{
	open_ring(2);
	uring_receive(ring, ours, RECEIVE);
	uring_give_back(ring, pass("last words"));
	uring_cancel(ring, RECEIVE);
	struct uring_completion done = next_done();
	assert_int_equal(done.result, -ECANCELED);
	close(ours);
	ours = -1;
	unit_read_end(theirs);
}

TEST(a_socket_with_the_number_of_one_before_has_its_own_bytes_alone)
{
	open_ring(2);
	for (int i = 0; i < 50; i++) {
		int pair[2];
		uring_receive(ring, ours, RECEIVE);
		assert_nothing_is_done();
		uring_cancel(ring, RECEIVE);
		assert_int_equal(next_done().result, -ECANCELED);
		unit_write(theirs, "the one before", 14);
		unit_socket_pair(&pair[0], &pair[1]);
		assert_int_equal(dup2(pair[0], ours), ours);
		close(pair[0]);
		close(theirs);
		theirs = pair[1];
		uring_receive(ring, ours, RECEIVE);
		uring_give_back(ring, pass("the next"));
		uring_cancel(ring, RECEIVE);
		assert_int_equal(next_done().result, -ECANCELED);
	}
}

/* ---- no buffer ---- */

TEST(without_a_free_buffer_a_receive_ends_and_the_bytes_stay_for_the_next)
{
	open_ring(2);
	uring_receive(ring, ours, RECEIVE);
	int first = pass("first"), second = pass("second");
	assert_int_not_equal(first, second);
	unit_write(theirs, "third", 5);
	struct uring_completion done = next_done();
	assert_int_equal(done.tag, RECEIVE);
	assert_int_equal(done.result, -ENOBUFS);
	assert_false(done.more);
	assert_int_equal(done.buffer, -1);
	/* Buffers that were not given back are unchanged. */
	assert_memory_equal(uring_buffer(ring, first), "first", 5);
	assert_memory_equal(uring_buffer(ring, second), "second", 6);
	uring_give_back(ring, second);
	uring_receive(ring, ours, RECEIVE);
	done = next_done();
	assert_received(&done, "third");
	assert_int_equal(done.buffer, second);
	assert_memory_equal(uring_buffer(ring, first), "first", 5);
}

/* ---- no room for completions ---- */

/* Makes n requests, each of which completes at once; the completions are not read. */
static void ask_for_many(uint64_t n)
{
	for (uint64_t tag = 0; tag < n; tag++)
		uring_poll(ring, theirs, POLLOUT, tag);
}

TEST(of_more_completions_than_there_is_room_for_each_comes_once)
{
	static unsigned char seen[20000];
	most_requests = 64;
	open_ring(1);
	memset(seen, 0, sizeof(seen));
	assert_true(sizeof(seen) > 10 * uring->cq.ring_entries);
	ask_for_many(sizeof(seen));
	for (size_t i = 0; i < sizeof(seen); i++) {
		struct uring_completion done = next_done();
		assert_true(done.tag < sizeof(seen) && seen[done.tag] == 0);
		assert_true(done.result & POLLOUT);
		seen[done.tag] = 1;
	}
	assert_nothing_is_done();
}

TEST(a_receive_that_ends_for_want_of_room_says_so_and_loses_no_byte)
{
	char received[64] = "";
	size_t n_received = 0;
	unsigned int n_ends = 0;
	most_requests = 64;
	open_ring(64);
	uring_receive(ring, ours, RECEIVE);
	assert_nothing_is_done();
	ask_for_many(2 * uring->cq.ring_entries / 64 * 64);
	for (int i = 0; i < 16; i++)
		unit_write(theirs, "abcd", 4);
	while (n_received < sizeof(received)) {
		struct uring_completion done = next_done();
		if (done.tag != RECEIVE)
			continue;
		if (done.result > 0) {
			assert_true(n_received + (size_t)done.result <= sizeof(received));
			memcpy(received + n_received, uring_buffer(ring, done.buffer),
			       (size_t)done.result);
			n_received += (size_t)done.result;
		}
		if (!done.more) {
			n_ends++;
			uring_receive(ring, ours, RECEIVE);
		}
	}
	for (size_t i = 0; i < sizeof(received); i++)
		assert_int_equal(received[i], "abcd"[i % 4]);
	printf("# it ended %u times\n", n_ends);
}

/* ---- what it may not do ---- */

static const uint8_t allowed[] = { IORING_OP_RECV, IORING_OP_SEND, IORING_OP_POLL_ADD,
				   IORING_OP_ASYNC_CANCEL };

/* Makes a request for which net/uring.h has no function. Returns its result. */
static int request(uint8_t opcode, uint8_t flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(uring);
	struct io_uring_cqe *cqe;
	assert_non_null(sqe);
	io_uring_prep_rw(opcode, sqe, -1, NULL, 0, 0);
	sqe->flags = flags;
	assert_true(io_uring_submit_and_wait(uring, 1) >= 0);
	assert_int_equal(io_uring_peek_cqe(uring, &cqe), 0);
	int result = cqe->res;
	io_uring_cqe_seen(uring, cqe);
	return result;
}

static bool is_allowed(uint8_t opcode)
{
	return memchr(allowed, opcode, sizeof(allowed)) != NULL;
}

TEST(four_requests_may_be_made_and_no_other)
{
	open_ring(1);
	struct io_uring_probe *known = io_uring_get_probe();
	assert_non_null(known);
	int n = 0;
	for (uint8_t opcode = 0; opcode <= known->last_op; opcode++) {
		if (!io_uring_opcode_supported(known, opcode))
			continue;
		int result = request(opcode, 0);
		if (is_allowed(opcode) != (result != -EACCES))
			fail_msg("request %d: %d", opcode, result);
		n++;
	}
	io_uring_free_probe(known);
	assert_true(n > 30);
	printf("# %d requests\n", n);
}

TEST(requests_may_choose_a_buffer_and_have_no_other_peculiarity)
{
	static const uint8_t others[] = { IOSQE_FIXED_FILE, IOSQE_IO_DRAIN, IOSQE_IO_LINK,
					  IOSQE_IO_HARDLINK, IOSQE_ASYNC };
	open_ring(1);
	assert_int_not_equal(request(IORING_OP_RECV, IOSQE_BUFFER_SELECT), -EACCES);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_int_equal(request(IORING_OP_RECV, others[i]), -EACCES);
}

TEST(nothing_more_may_be_registered)
{
	static char memory[4096];
	const struct iovec bytes = { .iov_base = memory, .iov_len = sizeof(memory) };
	struct io_uring_restriction all = { .opcode = IORING_RESTRICTION_SQE_OP,
					    .sqe_op = IORING_OP_OPENAT };
	open_ring(1);
	assert_int_equal(io_uring_register_files(uring, &ours, 1), -EACCES);
	assert_int_equal(io_uring_register_buffers(uring, &bytes, 1), -EACCES);
	assert_true(io_uring_register_restrictions(uring, &all, 1) < 0);
	assert_int_equal(request(IORING_OP_OPENAT, 0), -EACCES);
}

TEST(a_ring_is_not_handed_on_to_another_program)
{
	open_ring(1);
	assert_true(unit_is_cloexec(uring->ring_fd));
}

/* ---- where there are none ---- */

TEST(a_ring_is_as_large_as_the_memory_allows_that_may_be_locked)
{
	for (most_requests = 1024; most_requests >= 64; most_requests /= 2) {
		open_ring(8);
		assert_int_equal(uring->sq.ring_entries, most_requests);
		uring_receive(ring, ours, RECEIVE);
		uring_give_back(ring, pass("it does what a larger one does"));
		uring_close(ring);
		ring = NULL;
		close(ours);
		close(theirs);
	}
	most_requests = UINT32_MAX;
}

TEST(a_ring_that_cannot_be_opened_leaves_nothing_behind)
{
	struct uring *none = NULL;
	size_t before = unit_open_descriptors();
	most_requests = 63;
	assert_int_equal(uring_open(&none, 8, BUFFER_SIZE), -ENOMEM);
	most_requests = UINT32_MAX;
	if (has_rings()) /* not a power of two: the kernel does not accept that number of buffers */
		assert_int_equal(uring_open(&none, 3, BUFFER_SIZE), -EINVAL);
	assert_null(none);
	assert_int_equal(unit_open_descriptors(), before);
}

TEST(why_there_are_none_is_said_in_words)
{
	static const struct {
		int code;
		const char *words;
	} reasons[] = {
		{ -ENOSYS, "this kernel has no io_uring" },
		{ -ENOMEM, "ulimit -l" },
		{ -EINVAL, "too old" },
		{ -EMFILE, "io_uring: too many" },
	};
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		struct reason reason = { 0 };
		opening_fails_with = reasons[i].code;
		assert_int_equal(uring_check(&reason), reasons[i].code);
		if (strstr(reason.text, reasons[i].words) == NULL)
			fail_msg("%d: %s", reasons[i].code, reason.text);
	}
	struct reason reason = { 0 };
	opening_fails_with = -EPERM;
	assert_int_equal(uring_check(&reason), -EPERM);
	assert_true(strstr(reason.text, "switched off") || strstr(reason.text, "forbidden"));
	opening_fails_with = 0;
	if (has_rings())
		assert_int_equal(uring_check(&reason), 0);
}

#define RING_TEST(name) cmocka_unit_test_teardown(name, close_ring)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RING_TEST(a_receive_lasts_and_brings_each_message_in_a_buffer_until_the_end),
		RING_TEST(a_send_takes_what_there_is_room_for_and_never_waits),
		RING_TEST(a_send_to_a_closed_peer_is_an_error_and_no_signal),
		RING_TEST(waiting_ends_at_its_deadline_and_with_zero_at_once),
		RING_TEST(a_signal_does_not_end_the_wait),
		RING_TEST(what_is_cancelled_has_a_last_completion_and_cancelling_has_none),
		RING_TEST(a_socket_that_is_closed_behind_the_last_completion_sends_its_fin),
		RING_TEST(a_socket_with_the_number_of_one_before_has_its_own_bytes_alone),
		RING_TEST(without_a_free_buffer_a_receive_ends_and_the_bytes_stay_for_the_next),
		RING_TEST(of_more_completions_than_there_is_room_for_each_comes_once),
		RING_TEST(a_receive_that_ends_for_want_of_room_says_so_and_loses_no_byte),
		RING_TEST(four_requests_may_be_made_and_no_other),
		RING_TEST(requests_may_choose_a_buffer_and_have_no_other_peculiarity),
		RING_TEST(nothing_more_may_be_registered),
		RING_TEST(a_ring_is_not_handed_on_to_another_program),
		RING_TEST(a_ring_is_as_large_as_the_memory_allows_that_may_be_locked),
		RING_TEST(a_ring_that_cannot_be_opened_leaves_nothing_behind),
		RING_TEST(why_there_are_none_is_said_in_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
