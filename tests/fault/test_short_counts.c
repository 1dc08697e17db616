/* SPDX-License-Identifier: MIT */
/*
 * Short counts, EINTR and EAGAIN at every position: every byte still arrives, in order.
 *
 * The subjects are the child's conversation (server/blocking/session.h) and talk (client/talk.h)
 * with all lower layers, on real sockets; the faults come from the shim. Small conversations are
 * tested with every fault, large ones with some, and with real short counts of a slow peer.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit_status.h"
#include "client/talk.h"
#include "net/io.h"
#include "server/blocking/session.h"
#include "shim.h"

/*
 * SMALL: sent in short writes and not read, it leaves a socket writable for poll(2), which requires
 * a quarter of the buffer to be free. LARGE: does not fit into any socket buffer.
 */
#define SMALL ((size_t)150)
#define LARGE ((size_t)512 * 1024)

/*
 * A message of which every split is tested: 2^(TINY - 1) ways to receive it, equally many to send
 * it.
 */
#define TINY ((size_t)8)

static unsigned char message[LARGE], returned[LARGE + 1];

/* The session's buffer. */
static IO_ALIGNED unsigned char buffer[CLIENT_BUFFER_SIZE];

/* Fills the message with bytes without repeating parts (a linear congruential generator). */
static int fill_message(void **state __attribute__((unused)))
{
	uint32_t x = 9877;
	for (size_t i = 0; i < sizeof(message); i++) {
		x = x * 1664525 + 1013904223;
		message[i] = (unsigned char)(x >> 24);
	}
	return 0;
}

/* ---- pairs of connected sockets ---- */

typedef void pair_fn(int *ret_one, int *ret_other);

static void tcp_pair(int *ret_one, int *ret_other)
{
	struct sockaddr_in address;
	int listening = unit_listen(1, &address);
	*ret_one = unit_connect(&address);
	*ret_other = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	assert_true(*ret_other >= 0);
	close(listening);
}

/* The smallest possible buffers: both sides get EAGAIN all the time. */
static void narrow_pair(int *ret_one, int *ret_other)
{
	unit_socket_pair(ret_one, ret_other);
	int least = 1;
	setsockopt(*ret_one, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	setsockopt(*ret_other, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
}

static pair_fn *const pairs[] = { unit_socket_pair, tcp_pair };

/* ---- one conversation of the child ---- */

/* The result of a session. */
struct outcome {
	enum close_reason reason;
	uint64_t in, out;
	struct shim_report report;
};

static struct outcome run_session(int fd, uint64_t idle_timeout_ns, const struct shim_plan *plan)
{
	struct conn_stats stats = { 0 };
	struct session session = {
		.fd = fd,
		.is_unix = unit_is_unix(fd),
		.shutdown_fd = -1,
		.idle_timeout_ns = idle_timeout_ns,
		.stats = &stats,
		.buffer = buffer,
	};
	shim_arm(plan);
	enum close_reason reason = session_run(&session);
	return (struct outcome){
		.reason = reason,
		.in = atomic_load(&stats.in),
		.out = atomic_load(&stats.out),
		.report = shim_disarm(),
	};
}

/* Asserts the same result as without a fault. */
static void must_be_faithful(const struct outcome *outcome, size_t size)
{
	assert_int_equal(outcome->reason, CLOSE_EOF);
	assert_int_equal(outcome->in, size);
	assert_int_equal(outcome->out, size);
	assert_memory_equal(returned, message, size);
	assert_true(outcome->report.calls > 0);
}

/*
 * The peer has sent all bytes and half-closed before the session begins, and reads after it has
 * ended.
 */
static struct shim_report converse(pair_fn *open_pair, size_t size, const struct shim_plan *plan)
{
	int ours, theirs;
	open_pair(&ours, &theirs);
	unit_write(theirs, message, size);
	assert_int_equal(shutdown(theirs, SHUT_WR), 0);

	struct outcome outcome = run_session(ours, 0, plan);
	close(ours);
	unit_read(theirs, returned, size);
	unit_read_end(theirs);
	close(theirs);
	must_be_faithful(&outcome, size);
	return outcome.report;
}

/* ---- a peer that sends and reads at the same time ---- */

struct far_end {
	int fd;
	size_t size, sent, received;
	const char *complaint;
};

/* Returns the error of the session, or NULL. */
static const char *hold_conversation(struct far_end *peer)
{
	for (;;) {
		struct pollfd ready = { .fd = peer->fd, .events = POLLIN };
		ready.events |= peer->sent < peer->size ? POLLOUT : 0;
		if (poll(&ready, 1, UNIT_TIMEOUT_S * 1000) < 1)
			return "the session stands still";
		if (ready.revents & POLLOUT) {
			ssize_t n = send(peer->fd, message + peer->sent, peer->size - peer->sent,
					 MSG_DONTWAIT | MSG_NOSIGNAL);
			peer->sent += n > 0 ? (size_t)n : 0;
			if (peer->sent == peer->size)
				shutdown(peer->fd, SHUT_WR);
		}
		if (ready.revents & ~POLLOUT) {
			ssize_t n = recv(peer->fd, returned + peer->received,
					 sizeof(returned) - peer->received, MSG_DONTWAIT);
			if (n == 0)
				return NULL;
			if (n < 0 && errno != EAGAIN)
				return "the session reset it";
			peer->received += n > 0 ? (size_t)n : 0;
		}
	}
}

static void *be_peer(void *context)
{
	struct far_end *peer = context;
	peer->complaint = hold_conversation(peer);
	return NULL;
}

static struct shim_report converse_with_peer(pair_fn *open_pair, size_t size,
					     const struct shim_plan *plan)
{
	int ours;
	struct far_end peer = { .size = size };
	open_pair(&ours, &peer.fd);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, be_peer, &peer), 0);
	struct outcome outcome = run_session(ours, 0, plan);
	close(ours);
	assert_int_equal(pthread_join(thread, NULL), 0);
	close(peer.fd);
	if (peer.complaint != NULL)
		fail_msg("%s", peer.complaint);
	assert_int_equal(peer.received, size);
	must_be_faithful(&outcome, size);
	return outcome.report;
}

/* ---- every size ---- */

TEST(every_split_of_a_message_in_both_directions_is_echoed)
{
	uint64_t ways = UINT64_C(1) << (TINY - 1);
	for (uint64_t in = 0; in < ways; in++) {
		for (uint64_t out = 0; out < ways; out++) {
			const struct shim_plan plan = { .in.cuts = in, .out.cuts = out };
			converse(unit_socket_pair, TINY, &plan);
		}
	}
	printf("# %d splits\n", (int)(ways * ways));
}

TEST(every_split_is_echoed_when_each_call_is_interrupted_and_refused_first)
{
	uint64_t ways = UINT64_C(1) << (TINY / 2);
	for (uint64_t split = 0; split < ways * ways; split++) {
		const struct shim_plan plan = {
			.in.cuts = split % ways,
			.out.cuts = split / ways,
			.eintr_first = 1 + (split & 1),
			.eagain_first = split % 3 == 0 ? 2 : 1,
		};
		converse(tcp_pair, TINY / 2 + 1, &plan);
	}
	printf("# %d splits\n", (int)(ways * ways));
}

/* Returns the largest message that some thousand calls can move at these sizes. 0: no limit. */
static size_t affordable(size_t in, size_t out)
{
	size_t least = in == 0 || (out != 0 && out < in) ? out : in;
	return least == 0 || least * 4000 > LARGE ? LARGE : least * 4000;
}

TEST(large_messages_are_echoed_in_pieces_of_every_size)
{
	static const size_t sizes[] = { 1, 2, 3, 7, 61, 1021, 4096, 4097, 65535, 0 };
	size_t n = 0;
	for (size_t in = 0; in < ARRAY_LEN(sizes); in++) {
		for (size_t out = 0; out < ARRAY_LEN(sizes); out++, n++) {
			const struct shim_plan plan = {
				.in.most = sizes[in],
				.out.most = sizes[out],
				.eintr_first = n % 2 == 1,
				.eagain_first = n % 3 == 1,
			};
			converse_with_peer(n % 4 < 2 ? tcp_pair : narrow_pair,
					   affordable(sizes[in], sizes[out]), &plan);
		}
	}
	printf("# %zu pairs of sizes\n", n);
}

/* ---- every position ---- */

static const enum shim_fault faults[] = { SHIM_EINTR, SHIM_EAGAIN, SHIM_SHORT };

/* Sizes with which a small conversation has some hundred calls that may fail. */
static const struct shim_plan in_pieces = { .in.most = 5, .out.most = 3 };

TEST(a_fault_at_any_call_of_the_session_changes_nothing)
{
	size_t positions = 0;
	for (size_t kind = 0; kind < ARRAY_LEN(pairs) * ARRAY_LEN(faults) * 3; kind++) {
		struct shim_plan plan = in_pieces;
		struct shim_report report;
		plan.hits[0].fault = faults[kind % ARRAY_LEN(faults)];
		plan.hits[0].times = 1 + kind / ARRAY_LEN(faults) % 3;
		do {
			plan.hits[0].first++;
			report = converse(pairs[kind % ARRAY_LEN(pairs)], SMALL, &plan);
			positions += report.hits > 0;
		} while (report.calls >= plan.hits[0].first);
	}
	printf("# %zu positions\n", positions);
	assert_true(positions > 1000);
}

TEST(faults_at_any_two_calls_of_the_session_change_nothing)
{
	const size_t size = 30;
	size_t positions = 0;
	for (size_t kind = 0; kind < ARRAY_LEN(faults) * ARRAY_LEN(faults); kind++) {
		struct shim_plan plan = in_pieces;
		struct shim_hit *first = &plan.hits[0], *second = &plan.hits[1];
		*first = (struct shim_hit){ 0, 1, faults[kind % ARRAY_LEN(faults)] };
		*second = (struct shim_hit){ 0, 1, faults[kind / ARRAY_LEN(faults)] };
		uint64_t calls = converse(unit_socket_pair, size, &plan).calls;
		for (first->first = 1; first->first <= calls; first->first++) {
			/* Each fault may cost a call or two more. */
			second->first = first->first + 1;
			for (; second->first <= calls + 4; second->first++) {
				struct shim_report report = converse(unit_socket_pair, size, &plan);
				positions += report.hits == 2;
			}
		}
	}
	printf("# %zu pairs of positions\n", positions);
	assert_true(positions > 1000);
}

TEST(a_fault_at_any_call_of_a_session_that_is_often_refused_changes_nothing)
{
	size_t positions = 0;
	for (size_t kind = 0; kind < ARRAY_LEN(faults); kind++) {
		struct shim_plan plan = { .in.most = 1000, .out.most = 700 };
		struct shim_report report;
		plan.hits[0] = (struct shim_hit){ 0, 2, faults[kind] };
		do {
			plan.hits[0].first++;
			report = converse_with_peer(narrow_pair, LARGE / 16, &plan);
			positions += report.hits > 0;
		} while (report.calls >= plan.hits[0].first);
	}
	printf("# %zu positions\n", positions);
	assert_true(positions > 200);
}

/* ---- time ---- */

/* Sends nothing, and ends as soon as the session does. */
static void *be_quiet_peer(void *context)
{
	int *fd = context;
	char byte;
	if (recv(*fd, &byte, 1, 0) == 0) {
		close(*fd);
		*fd = -1;
	}
	return NULL;
}

TEST(a_wait_that_is_interrupted_again_and_again_still_ends_in_its_time)
{
	int ours, theirs;
	pthread_t thread;
	unit_socket_pair(&ours, &theirs);
	assert_int_equal(pthread_create(&thread, NULL, be_quiet_peer, &theirs), 0);

	const struct shim_plan plan = { .poll_slice_ms = 10 };
	struct outcome outcome = run_session(ours, 100 * CLOCK_NS_PER_MS, &plan);
	close(ours);

	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(theirs, -1);
	assert_int_equal(outcome.reason, CLOSE_IDLE);
	assert_true(outcome.report.calls > 1);
}

/* ---- talk ---- */

/* Starts an echo server for one client at a time, in a child process that ends with this one. */
static pid_t start_echo(struct sockaddr_in *ret_address)
{
	int listening = unit_listen(16, ret_address);
	pid_t parent = getpid();
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid > 0) {
		close(listening);
		return pid;
	}

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fcntl(listening, F_SETFL, 0);
	while (getppid() == parent) {
		int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
		ssize_t n;
		while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0) {
			for (ssize_t sent = 0, more; sent < n; sent += more) {
				more = send(fd, buffer + sent, (size_t)(n - sent), MSG_NOSIGNAL);
				if (more < 0)
					_exit(EXIT_FAILURE);
			}
		}
		close(fd);
	}
	_exit(EXIT_SUCCESS);
}

static pid_t echo_pid;
static struct sockaddr_in echo_address;

/* The report of a talk in a child. */
static struct shim_report *talk_report;

static int set_up_echo(void **state __attribute__((unused)))
{
	echo_pid = start_echo(&echo_address);
	talk_report = mmap(NULL, sizeof(*talk_report), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return talk_report == MAP_FAILED;
}

static int tear_down_echo(void **state __attribute__((unused)))
{
	kill(echo_pid, SIGKILL);
	waitpid(echo_pid, NULL, 0);
	return munmap(talk_report, sizeof(*talk_report));
}

struct talk_job {
	const struct shim_plan *plan;
	int input_fd, output_fd;
};

static void run_talk(const void *argument)
{
	const struct talk_job *job = argument;
	const struct talk_config config = {
		.server = { .kind = ADDR_HOST,
			    .port = ntohs(echo_address.sin_port),
			    .host = "127.0.0.1" },
		.family = AF_INET,
		.timeout_ns = 10 * CLOCK_NS_PER_S,
	};
	dup2(job->input_fd, STDIN_FILENO);
	dup2(job->output_fd, STDOUT_FILENO);
	shim_arm(job->plan);
	enum exit_status status = talk_run(&config);
	*talk_report = shim_disarm();
	UNIT_CHILD_MUST(status == STATUS_OK);
}

/* Through pipes: one contains the whole input, the other has room for the whole output. */
static struct shim_report talk_through_pipes(size_t size, const struct shim_plan *plan)
{
	int input[2], output[2];
	assert_int_equal(pipe2(input, O_CLOEXEC), 0);
	assert_int_equal(pipe2(output, O_CLOEXEC), 0);
	unit_write(input[1], message, size);
	close(input[1]);

	unit_in_child(run_talk, &(struct talk_job){ plan, input[0], output[1] });
	close(input[0]);
	close(output[1]);
	unit_read(output[0], returned, size);
	unit_read_end(output[0]);
	close(output[0]);
	assert_memory_equal(returned, message, size);
	return *talk_report;
}

/* From a file into a file. */
static void talk_through_files(size_t size, const struct shim_plan *plan)
{
	int input = memfd_create("input", MFD_CLOEXEC);
	int output = memfd_create("output", MFD_CLOEXEC);
	assert_true(input >= 0 && output >= 0);
	unit_write(input, message, size);
	assert_int_equal(lseek(input, 0, SEEK_SET), 0);

	unit_in_child(run_talk, &(struct talk_job){ plan, input, output });
	assert_int_equal(pread(output, returned, sizeof(returned), 0), size);
	assert_memory_equal(returned, message, size);
	close(input);
	close(output);
}

TEST(talk_copies_files_in_pieces_of_every_size)
{
	static const size_t sizes[] = { 7, 61, 1021, 4097, 0 };
	size_t n = 0;
	for (size_t in = 0; in < ARRAY_LEN(sizes); in++) {
		for (size_t out = 0; out < ARRAY_LEN(sizes); out++, n++) {
			const struct shim_plan plan = {
				.in.most = sizes[in],
				.out.most = sizes[out],
				.eintr_first = n % 2 == 1,
				.eagain_first = n % 3 == 1,
			};
			talk_through_files(affordable(sizes[in], sizes[out]), &plan);
		}
	}
	printf("# %zu pairs of sizes\n", n);
}

TEST(a_fault_at_any_call_of_talk_changes_nothing)
{
	size_t positions = 0;
	for (size_t kind = 0; kind < ARRAY_LEN(faults) * 2; kind++) {
		struct shim_plan plan = in_pieces;
		struct shim_report report;
		plan.hits[0].fault = faults[kind % ARRAY_LEN(faults)];
		plan.hits[0].times = kind < ARRAY_LEN(faults) ? 1 : 3;
		do {
			plan.hits[0].first++;
			report = talk_through_pipes(SMALL / 2, &plan);
			positions += report.hits > 0;
		} while (report.calls >= plan.hits[0].first);
	}
	printf("# %zu positions\n", positions);
	assert_true(positions > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_split_of_a_message_in_both_directions_is_echoed),
		cmocka_unit_test(
			every_split_is_echoed_when_each_call_is_interrupted_and_refused_first),
		cmocka_unit_test(large_messages_are_echoed_in_pieces_of_every_size),
		cmocka_unit_test(a_fault_at_any_call_of_the_session_changes_nothing),
		cmocka_unit_test(faults_at_any_two_calls_of_the_session_change_nothing),
		cmocka_unit_test(
			a_fault_at_any_call_of_a_session_that_is_often_refused_changes_nothing),
		cmocka_unit_test(a_wait_that_is_interrupted_again_and_again_still_ends_in_its_time),
		cmocka_unit_test_setup_teardown(talk_copies_files_in_pieces_of_every_size,
						set_up_echo, tear_down_echo),
		cmocka_unit_test_setup_teardown(a_fault_at_any_call_of_talk_changes_nothing,
						set_up_echo, tear_down_echo),
	};
	return cmocka_run_group_tests_name("short counts", tests, fill_message, NULL);
}
