/* SPDX-License-Identifier: MIT */
/*
 * EINTR and errno stop here: a caller gets counts, the end of stream, and negative codes. A wait
 * lasts until its deadline, whatever interrupts it.
 */
#include "net/io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit.h"

/* ---- calls that can be interrupted ---- */

/* The next `interruptions` calls end with EINTR before they do anything. */
static int interruptions;

static bool is_interrupted(void)
{
	if (interruptions == 0)
		return false;
	interruptions--;
	errno = EINTR;
	return true;
}

ssize_t __real_read(int fd, void *buffer, size_t size);
ssize_t __wrap_read(int fd, void *buffer, size_t size);
ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __real_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __real_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags);

ssize_t __wrap_read(int fd, void *buffer, size_t size)
{
	return is_interrupted() ? -1 : __real_read(fd, buffer, size);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	return is_interrupted() ? -1 : __real_write(fd, bytes, size);
}

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags)
{
	return is_interrupted() ? -1 : __real_recv(fd, buffer, size, flags);
}

ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags)
{
	return is_interrupted() ? -1 : __real_send(fd, bytes, size, flags);
}

TEST(an_interrupted_call_is_made_again)
{
	int one, other;
	char got[8] = "";
	unit_socket_pair(&one, &other);

	interruptions = 3;
	assert_int_equal(io_send(one, "abc", 3), 3);
	assert_int_equal(interruptions, 0);
	interruptions = 3;
	assert_int_equal(io_recv(other, got, sizeof(got)), 3);
	assert_int_equal(interruptions, 0);
	interruptions = 3;
	assert_int_equal(io_write(one, "def", 3), 3);
	assert_int_equal(interruptions, 0);
	interruptions = 3;
	assert_int_equal(io_read(other, got + 3, sizeof(got) - 3), 3);
	assert_int_equal(interruptions, 0);
	assert_string_equal(got, "abcdef");
	close(one);
	close(other);
}

/* ---- counts, the end, codes ---- */

TEST(a_socket_without_bytes_says_so_and_does_not_block)
{
	int one, other;
	char got[8];
	unit_socket_pair(&one, &other);
	assert_int_equal(io_recv(one, got, sizeof(got)), -EAGAIN);
	close(one);
	close(other);
}

TEST(what_is_peeked_at_stays_and_the_end_is_seen_behind_it)
{
	int one, other;
	char got[8];
	unit_socket_pair(&one, &other);
	assert_int_equal(io_peek(one, got, sizeof(got)), -EAGAIN);
	unit_write(other, "abc", 3);
	close(other);
	assert_int_equal(io_peek(one, got, 1), 1);
	assert_int_equal(io_recv(one, got, sizeof(got)), 3);
	assert_int_equal(io_peek(one, got, 1), 0);
	close(one);
}

TEST(a_socket_without_room_takes_a_part_and_then_says_so)
{
	static const char much[4 * 1024 * 1024];
	int one, other;
	unit_socket_pair(&one, &other);
	ssize_t n = io_send(one, much, sizeof(much));
	assert_true(n > 0 && n < (ssize_t)sizeof(much));
	while (n > 0)
		n = io_send(one, much, sizeof(much));
	assert_int_equal(n, -EAGAIN);
	close(one);
	close(other);
}

TEST(the_end_of_a_stream_is_zero_behind_the_last_byte)
{
	int one, other;
	char got[8];
	unit_socket_pair(&one, &other);
	assert_int_equal(io_send(one, "abc", 3), 3);
	assert_int_equal(io_send_end(one), 0);
	assert_int_equal(io_recv(other, got, sizeof(got)), 3);
	assert_int_equal(io_recv(other, got, sizeof(got)), 0);

	/* Only one direction was closed. */
	assert_int_equal(io_send(other, "d", 1), 1);
	assert_int_equal(io_recv(one, got, sizeof(got)), 1);
	close(one);
	close(other);
}

TEST(sending_to_a_closed_peer_is_an_error_and_no_signal)
{
	int one, other;
	unit_socket_pair(&one, &other);
	close(other);
	assert_int_equal(io_send(one, "abc", 3), -EPIPE);
	close(one);
}

TEST(what_is_no_socket_and_what_is_not_open_have_their_codes)
{
	int reader, writer;
	char got[8];
	assert_int_equal(io_pipe(&reader, &writer), 0);
	assert_int_equal(io_recv(reader, got, 1), -ENOTSOCK);
	assert_int_equal(io_send(writer, got, 1), -ENOTSOCK);
	assert_int_equal(io_send_end(writer), -ENOTSOCK);
	assert_int_equal(io_read(writer, got, 1), -EBADF);
	assert_int_equal(io_write(reader, got, 1), -EBADF);
	close(reader);
	close(writer);
	assert_int_equal(io_read(-1, got, 1), -EBADF);
	assert_int_equal(io_write(-1, got, 1), -EBADF);
	assert_int_equal(io_recv(-1, got, 1), -EBADF);
	assert_int_equal(io_send(-1, got, 1), -EBADF);
	assert_int_equal(io_send_end(-1), -EBADF);
}

TEST(a_reset_connection_needs_no_shutdown)
{
	struct sockaddr_in address;
	int listen_fd = unit_listen(8, &address);
	int client = unit_connect(&address);
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	char got[8];
	unit_reset(client);
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	assert_int_equal(io_wait(&ready, 1, CLOCK_NEVER), 1);
	assert_int_equal(io_recv(fd, got, sizeof(got)), -ECONNRESET);
	assert_int_equal(io_send(fd, "abc", 3), -EPIPE);
	assert_int_equal(io_send_end(fd), 0); /* the kernel returns ENOTCONN */
	close(fd);
	close(listen_fd);
}

/* ---- waiting ---- */

/* If set, it replaces poll(2), and the clock is now_ns. */
static int (*stand_in)(struct pollfd *fds, nfds_t n, int ms);
static uint64_t now_ns;

int __real_poll(struct pollfd *fds, nfds_t n, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);
int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);

int __wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
	return stand_in != NULL ? stand_in(fds, n, ms) : __real_poll(fds, n, ms);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
	if (stand_in == NULL)
		return __real_clock_gettime(clock, time);
	time->tv_sec = (time_t)(now_ns / CLOCK_NS_PER_S);
	time->tv_nsec = (long)(now_ns % CLOCK_NS_PER_S);
	return 0;
}

static int n_polls;

/* Waits all the time, with an interruption after each millisecond. */
static int poll_to_the_end(struct pollfd *fds, nfds_t n, int ms)
{
	(void)fds, (void)n;
	n_polls++;
	assert_true(ms >= 0);
	if (ms > 0 && is_interrupted()) {
		now_ns += CLOCK_NS_PER_MS;
		return -1;
	}
	now_ns += (uint64_t)ms * CLOCK_NS_PER_MS;
	return 0;
}

/* A kernel without memory, for this number of calls. */
static int shortages;

static int poll_lacks_memory(struct pollfd *fds, nfds_t n, int ms)
{
	if (n == 0 || shortages == 0)
		return poll_to_the_end(fds, n, ms);
	shortages--;
	errno = ENOMEM;
	return -1;
}

static int poll_fails(struct pollfd *fds, nfds_t n, int ms)
{
	(void)fds, (void)n, (void)ms;
	errno = ENOMEM;
	return -1;
}

TEST(a_wait_ends_at_its_deadline_and_not_before)
{
	stand_in = poll_to_the_end;
	for (uint64_t ms = 0; ms < 5; ms++) {
		now_ns = 1000 * CLOCK_NS_PER_S + 1;
		uint64_t deadline_ns = now_ns + ms * CLOCK_NS_PER_MS + 5;
		assert_int_equal(io_wait(NULL, 0, deadline_ns), 0);
		assert_true(now_ns >= deadline_ns && now_ns < deadline_ns + CLOCK_NS_PER_MS);
	}
}

TEST(a_signal_does_not_lengthen_a_wait)
{
	stand_in = poll_to_the_end;
	now_ns = 1000 * CLOCK_NS_PER_S;
	uint64_t deadline_ns = now_ns + 50 * CLOCK_NS_PER_MS;
	interruptions = 40;
	assert_int_equal(io_wait(NULL, 0, deadline_ns), 0);
	assert_int_equal(interruptions, 0);
	assert_int_equal(now_ns, deadline_ns);
}

TEST(a_shortage_of_memory_does_not_end_a_wait)
{
	struct pollfd one = { .fd = -1 };
	stand_in = poll_lacks_memory;
	now_ns = 1000 * CLOCK_NS_PER_S;
	uint64_t start_ns = now_ns;
	uint64_t deadline_ns = now_ns + 10 * CLOCK_NS_PER_S;
	shortages = 7;
	assert_int_equal(io_wait(&one, 1, deadline_ns), 0);
	assert_int_equal(shortages, 0);
	assert_int_equal(now_ns, deadline_ns);

	/* It polls less often than a spinning loop would. */
	shortages = 1;
	assert_int_equal(io_wait(&one, 1, 5), 0);
	assert_true(now_ns > deadline_ns && now_ns - start_ns < 11 * CLOCK_NS_PER_S);
}

TEST(a_passed_deadline_polls_once)
{
	stand_in = poll_to_the_end;
	now_ns = 1000 * CLOCK_NS_PER_S;
	n_polls = 0;
	assert_int_equal(io_wait(NULL, 0, 5), 0);
	assert_int_equal(n_polls, 1);
	assert_int_equal(now_ns, 1000 * CLOCK_NS_PER_S);
}

TEST(a_wait_longer_than_the_limit_of_poll_lasts_its_whole_time)
{
	stand_in = poll_to_the_end;
	now_ns = 1000 * CLOCK_NS_PER_S;
	/* poll(2) waits 24 days at most. */
	uint64_t deadline_ns = now_ns + 60 * 24 * 3600 * CLOCK_NS_PER_S;
	assert_int_equal(io_wait(NULL, 0, deadline_ns), 0);
	assert_true(now_ns >= deadline_ns);
}

TEST(a_wait_that_fails_has_its_code)
{
	stand_in = poll_fails;
	assert_int_equal(io_wait(NULL, 0, CLOCK_NEVER), -ENOMEM);
}

TEST(a_wait_returns_the_number_of_ready_descriptors_and_skips_unused_ones)
{
	int one, other;
	unit_socket_pair(&one, &other);
	assert_int_equal(io_send(one, "abc", 3), 3);
	struct pollfd fds[] = {
		{ .fd = one, .events = POLLIN },
		{ .fd = other, .events = POLLIN },
		{ .fd = -1, .events = POLLIN },
	};
	assert_int_equal(io_wait(fds, ARRAY_LEN(fds), CLOCK_NEVER), 1);
	assert_int_equal(fds[0].revents, 0);
	assert_int_equal(fds[1].revents, POLLIN);
	assert_int_equal(fds[2].revents, 0);
	close(one);
	close(other);
}

/* ---- descriptors ---- */

TEST(a_pipe_is_closed_on_exec_and_leads_from_writer_to_reader)
{
	int reader, writer;
	char got[8] = "";
	assert_int_equal(io_pipe(&reader, &writer), 0);
	assert_true(unit_is_cloexec(reader) && unit_is_cloexec(writer));
	assert_int_equal(io_write(writer, "abc", 3), 3);
	assert_int_equal(io_read(reader, got, sizeof(got)), 3);
	assert_string_equal(got, "abc");
	io_close(&writer);
	assert_int_equal(io_read(reader, got, sizeof(got)), 0);
	io_close(&reader);
}

TEST(writable_is_what_was_opened_for_writing)
{
	int reader, writer;
	assert_int_equal(io_pipe(&reader, &writer), 0);
	assert_int_equal(io_check_writable(writer), 0);
	assert_int_equal(io_check_writable(reader), -EACCES);
	int both = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(io_check_writable(both), 0);
	io_close(&both);
	io_close(&reader);
	io_close(&writer);
	assert_int_equal(io_check_writable(-1), -EBADF);
}

TEST(what_we_were_given_becomes_non_blocking_and_closed_on_exec)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_false(unit_is_nonblocking(fd) || unit_is_cloexec(fd));
	assert_int_equal(io_set_nonblock_cloexec(fd), 0);
	assert_true(unit_is_nonblocking(fd) && unit_is_cloexec(fd));
	close(fd);
	assert_int_equal(io_set_nonblock_cloexec(fd), -EBADF);
}

TEST(closing_leaves_no_descriptor_and_no_number)
{
	int reader, writer;
	assert_int_equal(io_pipe(&reader, &writer), 0);
	int number = reader;
	io_close(&reader);
	assert_int_equal(reader, -1);
	assert_false(unit_is_open(number));
	io_close(&reader);
	assert_int_equal(reader, -1);
	io_close(&writer);
}

static int in_real_time(void **state)
{
	(void)state;
	stand_in = NULL;
	interruptions = 0;
	return 0;
}

#define WAIT_TEST(name) cmocka_unit_test_teardown(name, in_real_time)

/* ---- standard descriptors ---- */

/* The closed standard descriptors. */
struct closed {
	bool fd[3];
};

static bool is_null_device(int fd)
{
	struct stat null, status;
	return stat("/dev/null", &null) == 0 && fstat(fd, &status) == 0 &&
	       status.st_rdev == null.st_rdev;
}

static void fill_standard_fds(const void *argument)
{
	const struct closed *closed = argument;
	int reader_writer[2];
	char byte;
	/* Not /dev/null, to check that it stays. */
	int other = open("/proc/self", O_RDONLY | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		UNIT_CHILD_MUST(closed->fd[fd] ? close(fd) == 0 : dup2(other, fd) == fd);
	UNIT_CHILD_MUST(io_fill_standard_fds() == 0);
	for (int fd = 0; fd < 3; fd++)
		UNIT_CHILD_MUST(is_null_device(fd) == closed->fd[fd]);

	/* A call in the direction that must fail. */
	if (closed->fd[0])
		UNIT_CHILD_MUST(read(0, &byte, 1) < 0 && errno == EBADF);
	for (int fd = 1; fd < 3; fd++) {
		if (closed->fd[fd])
			UNIT_CHILD_MUST(write(fd, "x", 1) < 0 && errno == EBADF);
	}

	/* The next descriptor is not a standard one. */
	UNIT_CHILD_MUST(pipe(reader_writer) == 0);
	UNIT_CHILD_MUST(reader_writer[0] > 2 && reader_writer[1] > 2);
}

TEST(standard_descriptors_that_were_closed_lead_nowhere_and_fail)
{
	for (unsigned int set = 0; set < 8; set++) {
		struct closed closed = { { set & 1, set & 2, set & 4 } };
		unit_in_child(fill_standard_fds, &closed);
	}
}

static void fill_without_descriptors(const void *argument)
{
	(void)argument;
	struct rlimit none = { .rlim_cur = 0, .rlim_max = 0 };
	close(0);
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NOFILE, &none) == 0);
	UNIT_CHILD_MUST(io_fill_standard_fds() == -EMFILE);
}

TEST(what_cannot_be_filled_is_an_error)
{
	unit_in_child(fill_without_descriptors, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interrupted_call_is_made_again),
		cmocka_unit_test(a_socket_without_bytes_says_so_and_does_not_block),
		cmocka_unit_test(what_is_peeked_at_stays_and_the_end_is_seen_behind_it),
		cmocka_unit_test(a_socket_without_room_takes_a_part_and_then_says_so),
		cmocka_unit_test(the_end_of_a_stream_is_zero_behind_the_last_byte),
		cmocka_unit_test(sending_to_a_closed_peer_is_an_error_and_no_signal),
		cmocka_unit_test(what_is_no_socket_and_what_is_not_open_have_their_codes),
		cmocka_unit_test(a_reset_connection_needs_no_shutdown),
		WAIT_TEST(a_wait_ends_at_its_deadline_and_not_before),
		WAIT_TEST(a_signal_does_not_lengthen_a_wait),
		WAIT_TEST(a_passed_deadline_polls_once),
		WAIT_TEST(a_shortage_of_memory_does_not_end_a_wait),
		WAIT_TEST(a_wait_longer_than_the_limit_of_poll_lasts_its_whole_time),
		WAIT_TEST(a_wait_that_fails_has_its_code),
		WAIT_TEST(a_wait_returns_the_number_of_ready_descriptors_and_skips_unused_ones),
		cmocka_unit_test(a_pipe_is_closed_on_exec_and_leads_from_writer_to_reader),
		cmocka_unit_test(writable_is_what_was_opened_for_writing),
		cmocka_unit_test(what_we_were_given_becomes_non_blocking_and_closed_on_exec),
		cmocka_unit_test(closing_leaves_no_descriptor_and_no_number),
		cmocka_unit_test(standard_descriptors_that_were_closed_lead_nowhere_and_fail),
		cmocka_unit_test(what_cannot_be_filled_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
