/* SPDX-License-Identifier: MIT */
/*
 * One conversation from its first byte to its last, with every way to end. The session runs in a
 * thread and the test is its client. To measure its waits, it runs with a simulated clock.
 */
#include "server/blocking/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/io.h"
#include "server/linger.h"
#include "unit.h"

/* ---- a client that always sends and always reads ---- */

/* The socket whose calls never block, until its FIN is sent: then the client ends too... */
static atomic_int firehose_fd = -1;

/* ... or continues all the same. */
static bool firehose_outlives_fin;

ssize_t __real_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __real_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags);
int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how);

/* Receive timeout of the sockets. 0: none, and the session must not block in recv(). */
static uint64_t recv_timeout_ns;

static void pass_linger_timeout(void);

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags)
{
	if (fd == firehose_fd)
		return (ssize_t)size;
	assert_true(recv_timeout_ns != 0 || flags & MSG_DONTWAIT);
	ssize_t n = __real_recv(fd, buffer, size, flags);
	if (n < 0 && errno == EAGAIN && !(flags & MSG_DONTWAIT)) {
		pass_linger_timeout();
		errno = EAGAIN;
	}
	return n;
}

ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags)
{
	return fd == firehose_fd ? (ssize_t)size : __real_send(fd, bytes, size, flags);
}

int __wrap_shutdown(int fd, int how)
{
	if (fd == firehose_fd && !firehose_outlives_fin) {
		firehose_fd = -1;
		__real_shutdown(fd, SHUT_RD); /* as if the client had ended */
	}
	return __real_shutdown(fd, how);
}

/* ---- time of the test's own ---- */

/* Any time. */
#define START_NS (1000 * CLOCK_NS_PER_S)

/*
 * If it is set, the clock advances only in poll(2): a wait without an event takes its whole time at
 * once, and a poll of a firehose takes a millisecond. One event occurs at a set time.
 */
struct own_time {
	bool is_set;
	uint64_t now_ns;
	uint64_t event_at_ns;
	void (*event)(void); /* NULL after it has occurred */
	unsigned int n_polls;
};

/* More polls than any session of a test needs: a session that spins fails the test. */
#define MOST_POLLS 100000

static struct own_time own_time;

int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __real_poll(struct pollfd *fds, nfds_t n, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
	if (!own_time.is_set)
		return __real_clock_gettime(clock, time);
	time->tv_sec = (time_t)(own_time.now_ns / CLOCK_NS_PER_S);
	time->tv_nsec = (long)(own_time.now_ns % CLOCK_NS_PER_S);
	return 0;
}

/* Time passes until then, or until the event. */
static void pass_time_until(uint64_t end_ns)
{
	bool happens = own_time.event != NULL && own_time.event_at_ns <= end_ns;
	own_time.now_ns = happens ? own_time.event_at_ns : end_ns;
	if (happens) {
		own_time.event();
		own_time.event = NULL;
	}
}

static void pass_linger_timeout(void)
{
	uint64_t end_ns = own_time.now_ns + recv_timeout_ns;
	while (own_time.is_set && own_time.now_ns < end_ns)
		pass_time_until(end_ns);
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
	if (!own_time.is_set)
		return __real_poll(fds, n, ms);

	assert_true(own_time.n_polls++ < MOST_POLLS);
	bool is_firehose = fds[0].fd == firehose_fd;
	uint64_t wait_ns = (uint64_t)(is_firehose ? 1 : ms) * CLOCK_NS_PER_MS;
	uint64_t end_ns = ms < 0 && !is_firehose ? CLOCK_NEVER : own_time.now_ns + wait_ns;
	int ready = is_firehose ? 0 : __real_poll(fds, n, 0);
	while (ready == 0 && own_time.now_ns < end_ns) {
		pass_time_until(end_ns);
		ready = __real_poll(fds, n, 0);
	}
	if (is_firehose) {
		ready += fds[0].revents == 0;
		fds[0].revents = fds[0].events;
	}
	return ready;
}

/* ---- conversations ---- */

struct conversation {
	int client;        /* our end of the connection */
	int shutdown_pipe; /* our end of the shutdown pipe, -1 after it is closed */
	struct session session;
	struct conn_stats stats;
	enum close_reason reason; /* valid after the join */
	pthread_t thread;
	atomic_int tid; /* of that thread, 0 until it runs */
	IO_ALIGNED unsigned char buffer[CLIENT_BUFFER_SIZE];
};

static void *run(void *context)
{
	struct conversation *conversation = context;
	atomic_store(&conversation->tid, gettid());
	conversation->reason = session_run(&conversation->session);
	return NULL;
}

/* Begins on a connected socket, server_fd, which the conversation takes. */
static struct conversation *begin_on(int server_fd, int client_fd, uint64_t idle_timeout_ns)
{
	int ends[2];
	struct conversation *conversation = aligned_alloc(IO_ALIGNMENT, sizeof(*conversation));
	assert_non_null(conversation);
	memset(conversation, 0, sizeof(*conversation));
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	if (recv_timeout_ns != 0)
		ignore_result(io_set_recv_timeout(server_fd,
						  recv_timeout_ns)); /* one test has no socket */
	conversation->client = client_fd;
	conversation->shutdown_pipe = ends[1];
	conversation->session = (struct session){
		.fd = server_fd,
		.is_unix = unit_is_unix(server_fd),
		.shutdown_fd = ends[0],
		.recv_timeout_ns = recv_timeout_ns,
		.idle_timeout_ns = idle_timeout_ns,
		.stats = &conversation->stats,
		.buffer = conversation->buffer,
	};
	assert_int_equal(pthread_create(&conversation->thread, NULL, run, conversation), 0);
	return conversation;
}

static struct conversation *begin(uint64_t idle_timeout_ns)
{
	int server_fd, client_fd;
	unit_socket_pair(&server_fd, &client_fd);
	return begin_on(server_fd, client_fd, idle_timeout_ns);
}

static void signal_shutdown(struct conversation *conversation)
{
	close(conversation->shutdown_pipe);
	conversation->shutdown_pipe = -1;
}

static uint64_t in_of(struct conversation *conversation)
{
	return atomic_load(&conversation->stats.in);
}

static uint64_t out_of(struct conversation *conversation)
{
	return atomic_load(&conversation->stats.out);
}

/* The result of a session: its close reason, and what it left in the statistics. */
struct outcome {
	enum close_reason reason;
	uint64_t in, out;
	int code;
};

static struct outcome end(struct conversation *conversation)
{
	struct timespec deadline;
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += UNIT_TIMEOUT_S;
	assert_int_equal(pthread_timedjoin_np(conversation->thread, NULL, &deadline), 0);

	struct outcome outcome = {
		.reason = conversation->reason,
		.in = in_of(conversation),
		.out = out_of(conversation),
		.code = atomic_load(&conversation->stats.code),
	};
	assert_int_equal(atomic_load(&conversation->stats.reason), outcome.reason);
	/* the socket does not belong to the session */
	assert_true(unit_is_open(conversation->session.fd));
	close(conversation->session.fd);
	close(conversation->session.shutdown_fd);
	if (conversation->shutdown_pipe >= 0)
		close(conversation->shutdown_pipe);
	if (conversation->client >= 0)
		close(conversation->client);
	free(conversation);
	return outcome;
}

static void hang_up(struct conversation *conversation)
{
	close(conversation->client);
	conversation->client = -1;
}

/* ---- streams ---- */

static unsigned char byte_at(uint64_t offset)
{
	return (unsigned char)(offset * 31 + offset / 251);
}

/* Sends as much of the stream as fits without waiting, up to `end`. Returns the number of bytes. */
static uint64_t send_some(int fd, uint64_t from, uint64_t until)
{
	unsigned char piece[10007];
	size_t n = until - from < sizeof(piece) ? (size_t)(until - from) : sizeof(piece);
	for (size_t i = 0; i < n; i++)
		piece[i] = byte_at(from + i);
	ssize_t sent = n == 0 ? 0 : send(fd, piece, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent > 0 ? (uint64_t)sent : 0;
}

/* Returns whether the session's thread waits, in poll(2) or in a call on its socket. */
static bool is_asleep(struct conversation *conversation)
{
	char path[64], state = 0;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", atomic_load(&conversation->tid));
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return false; /* it does not run yet */
	int n = fscanf(file, "%*d (%*[^)]) %c", &state);
	fclose(file);
	return n == 1 && state == 'S';
}

/* Returns whether the session has read bytes that it cannot send. */
static bool is_stuck(struct conversation *conversation)
{
	return is_asleep(conversation) && in_of(conversation) > out_of(conversation);
}

/* Sends until neither side takes more: the session is stuck because the client does not read. */
static uint64_t send_until_stuck(struct conversation *conversation)
{
	uint64_t sent = 0;
	for (int quiet = 0;
	     quiet < 50 || (!is_stuck(conversation) && quiet < UNIT_TIMEOUT_S * 1000);) {
		uint64_t n = send_some(conversation->client, sent, UINT64_MAX);
		sent += n;
		quiet = n > 0 ? 0 : quiet + 1;
		if (n == 0)
			unit_sleep_ms(1);
	}
	return sent;
}

/*
 * Returns whether the session has sent its FIN. A unix socket shows that before the bytes in front
 * of it are read.
 */
static bool has_sent_end(const struct conversation *conversation)
{
	struct pollfd client = { .fd = conversation->client, .events = POLLRDHUP };
	return poll(&client, 1, 0) == 1;
}

/* Reads the stream from an offset to its end, and returns the end's offset. */
static uint64_t read_to_end(int fd, uint64_t from)
{
	unsigned char piece[10007];
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	for (;;) {
		assert_int_equal(poll(&ready, 1, UNIT_TIMEOUT_S * 1000), 1);
		ssize_t n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);
		assert_true(n >= 0);
		if (n == 0)
			return from;
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(piece[i], byte_at(from + (uint64_t)i));
		from += (uint64_t)n;
	}
}

/* Sets the smallest send buffer that the kernel allows: most writes are short. */
static void shrink(int fd)
{
	int size = 1;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
}

/* ---- the client ends it ---- */

TEST(every_byte_comes_back_then_the_end)
{
	struct conversation *conversation = begin(0);
	char got[8] = "";
	unit_write(conversation->client, "abc\0def", 7);
	unit_read(conversation->client, got, 7);
	assert_memory_equal(got, "abc\0def", 7);
	shutdown(conversation->client, SHUT_WR);
	unit_read_end(conversation->client);
	struct outcome outcome = end(conversation);
	assert_int_equal(outcome.reason, CLOSE_EOF);
	assert_int_equal(outcome.in, 7);
	assert_int_equal(outcome.out, 7);
	assert_int_equal(outcome.code, 0);
}

TEST(a_client_that_sends_nothing_gets_the_fin)
{
	struct conversation *conversation = begin(0);
	shutdown(conversation->client, SHUT_WR);
	unit_read_end(conversation->client);
	struct outcome outcome = end(conversation);
	assert_int_equal(outcome.reason, CLOSE_EOF);
	assert_int_equal(outcome.in, 0);
}

TEST(an_answer_comes_before_the_next_question)
{
	struct conversation *conversation = begin(0);
	for (int i = 0; i < 100; i++) {
		char got[3];
		unit_write(conversation->client, "ab\n", 3);
		unit_read(conversation->client, got, 3);
	}
	/* the statistics are up to date during the conversation */
	assert_int_equal(in_of(conversation), 300);
	hang_up(conversation);
	assert_int_equal(end(conversation).reason, CLOSE_EOF);
}

TEST(a_stream_through_tiny_buffers_comes_back_whole)
{
	enum { ALL = 1000000 };
	int server_fd, client_fd;
	unit_socket_pair(&server_fd, &client_fd);
	shrink(server_fd); /* it receives large blocks, and can send little */
	struct conversation *conversation = begin_on(server_fd, client_fd, 0);
	uint64_t sent = 0, returned = 0;
	while (returned < ALL) {
		struct pollfd ready = { .fd = client_fd, .events = POLLIN };
		ready.events |= sent < ALL ? POLLOUT : 0;
		assert_int_equal(poll(&ready, 1, UNIT_TIMEOUT_S * 1000), 1);
		sent += send_some(client_fd, sent, ALL);
		unsigned char piece[997];
		ssize_t n = recv(client_fd, piece, sizeof(piece), MSG_DONTWAIT);
		assert_true(n > 0 || (n < 0 && errno == EAGAIN));
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(piece[i], byte_at(returned + (uint64_t)i));
		returned += n > 0 ? (uint64_t)n : 0;
	}
	shutdown(client_fd, SHUT_WR);
	unit_read_end(client_fd);
	struct outcome outcome = end(conversation);
	assert_int_equal(outcome.reason, CLOSE_EOF);
	assert_int_equal(outcome.in, ALL);
	assert_int_equal(outcome.out, ALL);
}

TEST(a_client_that_never_reads_is_not_read_and_gets_all_when_it_does)
{
	struct conversation *conversation = begin(0);
	uint64_t sent = send_until_stuck(conversation);
	uint64_t kept = in_of(conversation) - out_of(conversation);
	assert_true(kept > 0 && kept <= CLIENT_BUFFER_SIZE);
	assert_true(in_of(conversation) < sent);
	shutdown(conversation->client, SHUT_WR);
	assert_int_equal(read_to_end(conversation->client, 0), sent);
	struct outcome outcome = end(conversation);
	assert_int_equal(outcome.reason, CLOSE_EOF);
	assert_int_equal(outcome.in, sent);
	assert_int_equal(outcome.out, sent);
}

/* ---- the client breaks it ---- */

/* A connection by TCP. */
static struct conversation *begin_by_tcp(void)
{
	struct sockaddr_in address;
	int listen_fd = unit_listen(1, &address);
	int client_fd = unit_connect(&address);
	int server_fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(server_fd >= 0);
	close(listen_fd);
	return begin_on(server_fd, client_fd, 0);
}

TEST(a_reset_while_reading_is_a_reset)
{
	struct conversation *conversation = begin_by_tcp();
	char got[3];
	unit_write(conversation->client, "abc", 3);
	unit_read(conversation->client, got, 3);
	unit_reset(conversation->client);
	conversation->client = -1;
	struct outcome outcome = end(conversation);
	assert_int_equal(outcome.reason, CLOSE_RESET);
	assert_int_equal(outcome.code, -ECONNRESET);
	assert_int_equal(outcome.in, 3);
	assert_int_equal(outcome.out, 3);
}

TEST(a_reset_while_writing_is_a_reset)
{
	struct conversation *conversation = begin_by_tcp();
	send_until_stuck(conversation);
	unit_reset(conversation->client);
	conversation->client = -1;
	struct outcome outcome = end(conversation);
	assert_int_equal(outcome.reason, CLOSE_RESET);
	assert_true(outcome.out < outcome.in);
}

TEST(a_client_that_closes_without_reading_is_a_reset)
{
	struct conversation *conversation = begin(0);
	send_until_stuck(conversation);
	hang_up(conversation);
	assert_int_equal(end(conversation).reason, CLOSE_RESET);
}

TEST(what_is_no_socket_is_an_error_with_its_code)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	struct conversation *conversation = begin_on(ends[0], ends[1], 0);
	struct outcome outcome = end(conversation);
	assert_int_equal(outcome.reason, CLOSE_ERROR);
	assert_int_equal(outcome.code, -ENOTSOCK);
}

/* ---- the server ends it ---- */

#define BRIEF_NS (20 * CLOCK_NS_PER_MS)

TEST(an_idle_client_gets_the_end_and_time_to_end_too)
{
	struct conversation *conversation = begin(BRIEF_NS);
	unit_read_end(conversation->client);
	hang_up(conversation);
	struct outcome outcome = end(conversation);
	assert_int_equal(outcome.reason, CLOSE_IDLE);
	assert_int_equal(outcome.code, 0);
}

TEST(a_client_that_reads_nothing_is_idle_and_gets_what_was_sent_before)
{
	int server_fd, client_fd;
	unit_socket_pair(&server_fd, &client_fd);
	shrink(server_fd); /* it can send only a part of the first bytes */
	uint64_t sent = 0, n;
	while ((n = send_some(client_fd, sent, UINT64_MAX)) > 0)
		sent += n;
	struct conversation *conversation = begin_on(server_fd, client_fd, BRIEF_NS);
	UNIT_WAIT_UNTIL(in_of(conversation) == sent); /* the rest is read and discarded */
	uint64_t returned = read_to_end(conversation->client, 0);
	hang_up(conversation);
	struct outcome outcome = end(conversation);
	assert_int_equal(outcome.reason, CLOSE_IDLE);
	assert_int_equal(outcome.out, returned);
	assert_true(returned > 0 && returned < sent);
}

TEST(aborted_while_reading_it_sends_the_fin_and_goes_on_reading)
{
	struct conversation *conversation = begin(0);
	char got[3];
	unit_write(conversation->client, "abc", 3);
	unit_read(conversation->client, got, 3);
	signal_shutdown(conversation);
	unit_read_end(conversation->client);
	unit_write(conversation->client, "late", 4); /* no reset: it is read and discarded */
	hang_up(conversation);
	struct outcome outcome = end(conversation);
	assert_int_equal(outcome.reason, CLOSE_DRAIN);
	assert_int_equal(outcome.in, 7);
	assert_int_equal(outcome.out, 3);
}

TEST(aborted_while_writing_it_drops_unsent_bytes_and_sends_a_fin)
{
	struct conversation *conversation = begin(0);
	send_until_stuck(conversation);
	signal_shutdown(conversation);
	UNIT_WAIT_UNTIL(has_sent_end(conversation)); /* before its backlog fits into the socket */
	uint64_t returned = read_to_end(conversation->client, 0);
	hang_up(conversation);
	struct outcome outcome = end(conversation);
	assert_int_equal(outcome.reason, CLOSE_DRAIN);
	assert_int_equal(outcome.out, returned);
	assert_true(outcome.out < outcome.in);
}

TEST(a_client_that_has_sent_nothing_is_aborted_too)
{
	struct conversation *conversation = begin(0);
	signal_shutdown(conversation);
	unit_read_end(conversation->client);
	hang_up(conversation);
	struct outcome outcome = end(conversation);
	assert_int_equal(outcome.reason, CLOSE_DRAIN);
	assert_int_equal(outcome.in, 0);
}

TEST(a_client_that_always_sends_is_aborted_too)
{
	int server_fd, client_fd;
	unit_socket_pair(&server_fd, &client_fd);
	firehose_fd = server_fd;
	struct conversation *conversation = begin_on(server_fd, client_fd, 0);
	UNIT_WAIT_UNTIL(out_of(conversation) > 10 * CLIENT_BUFFER_SIZE);
	signal_shutdown(conversation);
	unit_read_end(client_fd);
	assert_int_equal(end(conversation).reason, CLOSE_DRAIN);
}

TEST(what_happens_while_it_lingers_is_not_the_reason)
{
	struct conversation *conversation = begin(BRIEF_NS);
	unit_read_end(conversation->client);
	signal_shutdown(conversation); /* an abort after the idle timeout */
	hang_up(conversation);
	assert_int_equal(end(conversation).reason, CLOSE_IDLE);
}

/* ---- how long it waits ---- */

/*
 * A session with a simulated clock, without a thread: the client's actions come before the session.
 */
struct timed {
	int server_fd, client_fd;
	int shutdown_fd, shutdown_pipe_writer_fd;
	struct conn_stats stats;
	enum close_reason reason;
};

static struct timed timed;

static void nothing_happens(void)
{
}

static void shutdown_pipe_is_cut(void)
{
	close(timed.shutdown_pipe_writer_fd);
	timed.shutdown_pipe_writer_fd = -1;
}

static void client_reads(void)
{
	char got[3];
	unit_read(timed.client_fd, got, sizeof(got));
}

/* Runs the session to its end, with an event after a time. Returns the duration. */
static uint64_t run_for(uint64_t idle_timeout_ns, uint64_t event_after_ns, void (*event)(void))
{
	static IO_ALIGNED unsigned char buffer[CLIENT_BUFFER_SIZE];
	struct session session = {
		.fd = timed.server_fd,
		.is_unix = unit_is_unix(timed.server_fd),
		.shutdown_fd = timed.shutdown_fd,
		.recv_timeout_ns = recv_timeout_ns,
		.idle_timeout_ns = idle_timeout_ns,
		.stats = &timed.stats,
		.buffer = buffer,
	};
	own_time = (struct own_time){
		.is_set = true,
		.now_ns = START_NS,
		.event_at_ns = START_NS + event_after_ns,
		.event = event,
	};
	timed.reason = session_run(&session);
	own_time.is_set = false;
	return own_time.now_ns - START_NS;
}

static int begin_timed(void **state)
{
	(void)state;
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	timed = (struct timed){ .shutdown_fd = ends[0], .shutdown_pipe_writer_fd = ends[1] };
	unit_socket_pair(&timed.server_fd, &timed.client_fd);
	return recv_timeout_ns != 0 ? io_set_recv_timeout(timed.server_fd, recv_timeout_ns) : 0;
}

static int end_timed(void **state)
{
	(void)state;
	own_time.is_set = false;
	firehose_fd = -1;
	firehose_outlives_fin = false;
	close(timed.server_fd);
	close(timed.client_fd);
	close(timed.shutdown_fd);
	if (timed.shutdown_pipe_writer_fd >= 0)
		close(timed.shutdown_pipe_writer_fd);
	return 0;
}

#define IDLE_NS (60 * CLOCK_NS_PER_S)

TEST(a_silent_client_has_its_idle_timeout_and_then_the_linger_timeout)
{
	assert_int_equal(run_for(IDLE_NS, 0, nothing_happens), IDLE_NS + LINGER_IDLE_NS);
	assert_int_equal(timed.reason, CLOSE_IDLE);
}

TEST(a_client_that_reads_its_echo_is_not_idle_though_it_sends_nothing)
{
	unit_write(timed.client_fd, "abc", 3);
	assert_int_equal(run_for(IDLE_NS, IDLE_NS / 2, client_reads),
			 recv_timeout_ns + 2 * IDLE_NS + LINGER_IDLE_NS);
	assert_int_equal(atomic_load(&timed.stats.out), 3);
	assert_int_equal(timed.reason, CLOSE_IDLE);
}

TEST(a_client_that_leaves_its_echo_unread_is_idle)
{
	unit_write(timed.client_fd, "abc", 3);
	assert_int_equal(run_for(IDLE_NS, 0, nothing_happens),
			 recv_timeout_ns + IDLE_NS + LINGER_IDLE_NS);
	assert_int_equal(timed.reason, CLOSE_IDLE);
}

TEST(a_silent_client_has_less_time_after_the_abort)
{
	assert_int_equal(run_for(0, IDLE_NS, shutdown_pipe_is_cut), IDLE_NS + LINGER_ABORTING_NS);
	assert_int_equal(timed.reason, CLOSE_DRAIN);
}

TEST(a_client_that_lingers_after_idle_has_less_time_at_the_shutdown)
{
	uint64_t cut_ns = IDLE_NS + CLOCK_NS_PER_S;
	assert_int_equal(run_for(IDLE_NS, cut_ns, shutdown_pipe_is_cut),
			 cut_ns + LINGER_ABORTING_NS);
	assert_int_equal(timed.reason, CLOSE_IDLE);
}

TEST(the_servers_end_does_not_lengthen_the_linger_timeout)
{
	uint64_t whole_ns = IDLE_NS + LINGER_IDLE_NS;
	assert_int_equal(run_for(IDLE_NS, whole_ns - CLOCK_NS_PER_S / 2, shutdown_pipe_is_cut),
			 whole_ns);
}

TEST(a_client_that_goes_on_sending_has_no_more_time_than_a_silent_one)
{
	firehose_fd = timed.server_fd;
	firehose_outlives_fin = true;
	uint64_t lasted_ns = run_for(0, 0, shutdown_pipe_is_cut);
	assert_int_equal(timed.reason, CLOSE_DRAIN);
	assert_true(lasted_ns >= LINGER_ABORTING_NS);
	assert_true(lasted_ns < 2 * LINGER_ABORTING_NS);
	assert_true(atomic_load(&timed.stats.in) > atomic_load(&timed.stats.out));
}

static void client_speaks_and_server_ends(void)
{
	unit_write(timed.client_fd, "abc", 3);
	shutdown_pipe_is_cut();
}

TEST(what_has_arrived_before_the_abort_comes_back)
{
	char got[3];
	run_for(0, IDLE_NS, client_speaks_and_server_ends);
	assert_int_equal(timed.reason, CLOSE_DRAIN);
	assert_int_equal(atomic_load(&timed.stats.out), 3);
	unit_read(timed.client_fd, got, sizeof(got));
	unit_read_end(timed.client_fd);
}

static void client_ends_and_server_ends(void)
{
	unit_write(timed.client_fd, "abc", 3);
	shutdown(timed.client_fd, SHUT_WR);
	shutdown_pipe_is_cut();
}

TEST(a_client_that_has_ended_before_the_abort_keeps_the_reason_eof)
{
	run_for(0, IDLE_NS, client_ends_and_server_ends);
	assert_int_equal(timed.reason, CLOSE_EOF);
	assert_int_equal(atomic_load(&timed.stats.out), 3);
}

TEST(a_connection_without_limits_waits_for_ever)
{
	uint64_t year_ns = 365 * 24 * 3600 * CLOCK_NS_PER_S;
	assert_int_equal(run_for(0, year_ns, shutdown_pipe_is_cut), year_ns + LINGER_ABORTING_NS);
}

#define TIMED_TEST(name) cmocka_unit_test_setup_teardown(name, begin_timed, end_timed)

TEST(all_of_it_again_with_a_receive_timeout)
{
	recv_timeout_ns = 2 * CLOCK_NS_PER_MS;
}

/* clang-format off: a test a line */
#define ALL_TESTS                                                                                  \
	cmocka_unit_test(every_byte_comes_back_then_the_end),                                      \
		cmocka_unit_test(a_client_that_sends_nothing_gets_the_fin),                        \
		cmocka_unit_test(an_answer_comes_before_the_next_question),                        \
		cmocka_unit_test(a_stream_through_tiny_buffers_comes_back_whole),                  \
		cmocka_unit_test(a_client_that_never_reads_is_not_read_and_gets_all_when_it_does), \
		cmocka_unit_test(a_reset_while_reading_is_a_reset),                                \
		cmocka_unit_test(a_reset_while_writing_is_a_reset),                                \
		cmocka_unit_test(a_client_that_closes_without_reading_is_a_reset),                 \
		cmocka_unit_test(what_is_no_socket_is_an_error_with_its_code),                     \
		cmocka_unit_test(an_idle_client_gets_the_end_and_time_to_end_too),                 \
		cmocka_unit_test(                                                                  \
			a_client_that_reads_nothing_is_idle_and_gets_what_was_sent_before),        \
		cmocka_unit_test(aborted_while_reading_it_sends_the_fin_and_goes_on_reading),      \
		cmocka_unit_test(aborted_while_writing_it_drops_unsent_bytes_and_sends_a_fin),     \
		cmocka_unit_test(a_client_that_has_sent_nothing_is_aborted_too),                   \
		cmocka_unit_test(a_client_that_always_sends_is_aborted_too),                       \
		cmocka_unit_test(what_happens_while_it_lingers_is_not_the_reason),                 \
		TIMED_TEST(a_silent_client_has_its_idle_timeout_and_then_the_linger_timeout),      \
		TIMED_TEST(a_client_that_reads_its_echo_is_not_idle_though_it_sends_nothing),      \
		TIMED_TEST(a_client_that_leaves_its_echo_unread_is_idle),                          \
		TIMED_TEST(a_silent_client_has_less_time_after_the_abort),                         \
		TIMED_TEST(a_client_that_lingers_after_idle_has_less_time_at_the_shutdown),        \
		TIMED_TEST(the_servers_end_does_not_lengthen_the_linger_timeout),                  \
		TIMED_TEST(a_client_that_goes_on_sending_has_no_more_time_than_a_silent_one),      \
		TIMED_TEST(what_has_arrived_before_the_abort_comes_back),                          \
		TIMED_TEST(a_client_that_has_ended_before_the_abort_keeps_the_reason_eof),         \
		TIMED_TEST(a_connection_without_limits_waits_for_ever)
/* clang-format on */

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALL_TESTS,
		cmocka_unit_test(all_of_it_again_with_a_receive_timeout),
		ALL_TESTS,
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
