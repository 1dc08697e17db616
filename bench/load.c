/* SPDX-License-Identifier: MIT */
/*
 * Load for an echo server, from one thread, with every byte verified.
 *
 *   rr       N connections, each with one message in flight: the next is sent when the last is back
 *   connect  N conversations in parallel: connect, one message and its echo, half-close, the
 *            server's end, close; then the next, from another of many source addresses, so that
 *            ports in TIME_WAIT never run out
 *   idle     N connections, one message each, then "held" on standard output and silence until
 *            standard input ends; then one message more on each
 *   fair     N connections, each of which is sent a message every 10 ms, beside F firehoses:
 *            endless streams at full speed. A message that is sent late because the one before is
 *            not back counts from when it was due.
 *
 * A byte that differs, is missing, or comes before it was sent ends the run. Prints one line of
 * JSON; the exit status is 0, or 1 with the reason as "error".
 *
 * The measured window has SECONDS after the warm-up, which begins when all N are connected and have
 * been answered once (rr, idle, fair). CPU is the difference of the cgroup's cpu.stat between both
 * ends of that window.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S      1000000000ULL
#define MESSAGE_MAX   ((size_t)1 << 20)
#define CONNS_MAX     32000
#define FIREHOSES_MAX 64
#define SAMPLES       ((size_t)1 << 22)
#define EVENTS        256

/* Prime: the number of different messages before the first one repeats. */
#define PAYLOAD_PERIOD ((size_t)1000003)

/* Maximum number of connects in progress: short accept queues must not overflow. */
#define CONNECTING_MAX 32

/* Source addresses, 127.1.0.1 and on: 28,000 ports each are enough for a minute. */
#define SOURCES 512

/* Mode fair: the time from one message of a connection to its next, and the number of bytes that a
 * firehose sends or receives before the other connections have their turn again. */
#define PING_PERIOD_NS 10000000ULL
#define FIREHOSE_PIECE ((size_t)65536)

enum mode { MODE_RR, MODE_CONNECT, MODE_IDLE, MODE_FAIR };

enum stage {
	STAGE_CLOSED,
	STAGE_ECHOING,   /* a message is in flight */
	STAGE_HOLDING,   /* the last message is back, the next is not due */
	STAGE_FLOWING,   /* a firehose: `sent` and `received` count from the stream's beginning */
	STAGE_FINISHING, /* half-closed: only the server's FIN may come */
};

struct conn {
	int fd;
	enum stage stage;
	const unsigned char *message;
	size_t sent;
	size_t received;
	uint64_t start_ns; /* start of the round trip, or of the conversation */
	uint64_t owed_ns;  /* fair: a message was due then, but the one before is not back; or 0 */
};

static enum mode mode;
static struct sockaddr_in target = { .sin_family = AF_INET };
static size_t n_conns = 1;
static size_t message_size = 64;
static const char *cpu_path;

/*
 * Time without any progress after which the run fails: the server has lost something, or has
 * stopped serving.
 */
static double timeout_s = 8; /* seconds */

/* The window also ends after this number of counted messages. */
static size_t n_counted_most = SIZE_MAX;

static int epoll_fd;
static struct conn conns[CONNS_MAX + FIREHOSES_MAX];
static size_t n_firehoses; /* the last n_firehoses of n_conns */
static size_t n_open, n_started, n_messages, n_held, n_flowed;
static bool is_over;

/* rr, idle, fair: some connections are not connected and answered yet. The others wait for them. */
static bool is_opening;

/* fair: number of messages that have been due, since when, and time of the last event. */
static size_t n_due;
static uint64_t pings_since_ns, last_event_ns;

/* The measured window. */
static uint64_t begin_ns, end_ns;
static double begin_cpu_us = -1, end_cpu_us = -1;
static bool has_begun;
static size_t n_counted;

static unsigned char payload[PAYLOAD_PERIOD + MESSAGE_MAX];
static unsigned char input[2 * MESSAGE_MAX];
static uint32_t samples[SAMPLES]; /* nanoseconds; the latest ones, if more are measured */

static const char *const mode_names[] = { "rr", "connect", "idle", "fair" };

__attribute__((format(printf, 1, 2))) _Noreturn static void fail(const char *format, ...)
{
	char error[200];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error, sizeof(error), format, arguments);
	va_end(arguments);
	printf("{\"mode\": \"%s\", \"count\": %zu, \"error\": \"%s\"}\n", mode_names[mode],
	       n_counted, error);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* ---- the measured window ---- */

/* Returns the CPU time of the server's cgroup in microseconds; -1 if it is not known. */
static double cpu_us(void)
{
	if (cpu_path == NULL)
		return -1;
	FILE *file = fopen(cpu_path, "r");
	double us;
	if (file == NULL || fscanf(file, "usage_usec %lf", &us) != 1)
		fail("cannot read the server's CPU time: %s", strerror(errno));
	fclose(file);
	return us;
}

static void pass_time(uint64_t now)
{
	if (!has_begun && now >= begin_ns) {
		has_begun = true;
		begin_cpu_us = cpu_us();
		end_ns += now - begin_ns;
		begin_ns = now;
	}
	if (!is_over && (now >= end_ns || n_counted >= n_counted_most)) {
		is_over = true;
		end_cpu_us = cpu_us();
		end_ns = now;
	}
}

static void add_sample(uint64_t ns)
{
	samples[n_counted++ % SAMPLES] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

/* Counts one verified round trip, or one whole conversation. */
static void count(const struct conn *c)
{
	uint64_t now = now_ns();
	pass_time(now);
	if (has_begun && !is_over)
		add_sample(now - c->start_ns);
}

/* ---- one connection ---- */

static size_t index_of(const struct conn *c)
{
	return (size_t)(c - conns);
}

static void open_next(struct conn *c)
{
	static const int on = 1;
	struct sockaddr_in source = { .sin_family = AF_INET };
	uint32_t number = (uint32_t)(n_started++ % SOURCES);
	source.sin_addr.s_addr = htonl((127u << 24 | 1u << 16) + number + 1);

	*c = (struct conn){ .stage = STAGE_ECHOING, .start_ns = now_ns() };
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		fail("connection %zu: socket: %s", index_of(c), strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(c->fd, (struct sockaddr *)&source, sizeof(source)) < 0)
		fail("connection %zu: bind: %s", index_of(c), strerror(errno));
	if (connect(c->fd, (struct sockaddr *)&target, sizeof(target)) < 0 && errno != EINPROGRESS)
		fail("connection %zu: connect: %s", index_of(c), strerror(errno));
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0)
		fail("connection %zu: epoll: %s", index_of(c), strerror(errno));
	n_open++;
}

static void send_rest(struct conn *c)
{
	while (c->sent < message_size) {
		ssize_t n = send(c->fd, c->message + c->sent, message_size - c->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			fail("connection %zu: send: %s", index_of(c), strerror(errno));
		c->sent += (size_t)n;
	}
}

/* Each message is another part of the pattern: an old echo, or another client's, is wrong. */
static void start_message(struct conn *c)
{
	c->stage = STAGE_ECHOING;
	c->message = payload + n_messages++ * 7919 % PAYLOAD_PERIOD;
	c->sent = c->received = 0;
	if (mode != MODE_CONNECT)
		c->start_ns = now_ns();
	send_rest(c);
}

static void finish(struct conn *c)
{
	c->stage = STAGE_FINISHING;
	if (shutdown(c->fd, SHUT_WR) < 0)
		fail("connection %zu: shutdown: %s", index_of(c), strerror(errno));
}

static void message_is_back(struct conn *c)
{
	if (!is_opening && mode != MODE_CONNECT && mode != MODE_IDLE)
		count(c);
	if (is_over || mode == MODE_CONNECT) {
		finish(c);
	} else if (!is_opening && mode == MODE_RR) {
		start_message(c);
	} else if (c->owed_ns != 0) {
		uint64_t due_ns = c->owed_ns;
		c->owed_ns = 0;
		start_message(c);
		c->start_ns = due_ns;
	} else {
		c->stage = STAGE_HOLDING;
		n_held++;
	}
}

static void end_is_here(struct conn *c)
{
	if (c->stage != STAGE_FINISHING)
		fail("connection %zu: the server ended after %zu of %zu bytes", index_of(c),
		     c->received, c->stage == STAGE_FLOWING ? c->sent : message_size);
	if (mode == MODE_CONNECT)
		count(c);
	close(c->fd);
	c->stage = STAGE_CLOSED;
	n_open--;
	if (mode == MODE_CONNECT && !is_over) {
		open_next(c);
		start_message(c);
	}
}

static void verify(struct conn *c, size_t n)
{
	bool flows = c->stage == STAGE_FLOWING;
	if ((c->stage != STAGE_ECHOING && !flows) || n > c->sent - c->received)
		fail("connection %zu: %zu bytes came that were not sent", index_of(c), n);
	const unsigned char *expected = c->message;
	expected += flows ? c->received % PAYLOAD_PERIOD : c->received;
	if (memcmp(input, expected, n) != 0) {
		size_t at = 0;
		while (input[at] == expected[at])
			at++;
		fail("connection %zu: byte %zu differs: sent 0x%02x, got 0x%02x", index_of(c),
		     c->received + at, expected[at], input[at]);
	}
	c->received += n;
}

/* Edge-triggered: receives until a message is back, or the socket is empty. */
static void receive(struct conn *c)
{
	while (c->stage != STAGE_CLOSED) {
		ssize_t n = recv(c->fd, input, sizeof(input), 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			fail("connection %zu: receive: %s", index_of(c), strerror(errno));
		if (n == 0) {
			end_is_here(c);
			return;
		}
		verify(c, (size_t)n);
		if (c->received == message_size) {
			message_is_back(c);
			return;
		}
	}
}

/* ---- fair: the firehoses, and the messages beside them ---- */

static void open_firehose(struct conn *c)
{
	open_next(c);
	c->stage = STAGE_FLOWING;
	c->message = payload;
	/* Level-triggered: it does part of the work, and is reported again. */
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };
	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

static void end_firehose(struct conn *c)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
	if (shutdown(c->fd, SHUT_WR) < 0)
		fail("connection %zu: shutdown: %s", index_of(c), strerror(errno));
	if (c->received == c->sent)
		c->stage = STAGE_FINISHING;
}

static void flow(struct conn *c, uint32_t events)
{
	if (!is_over && events & EPOLLOUT) {
		const unsigned char *piece = payload + c->sent % PAYLOAD_PERIOD;
		ssize_t n = send(c->fd, piece, FIREHOSE_PIECE, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			fail("connection %zu: send: %s", index_of(c), strerror(errno));
		c->sent += n > 0 ? (size_t)n : 0;
	}
	ssize_t n = recv(c->fd, input, FIREHOSE_PIECE, 0);
	if (n < 0 && errno != EAGAIN)
		fail("connection %zu: receive: %s", index_of(c), strerror(errno));
	if (n == 0)
		end_is_here(c);
	if (n <= 0)
		return;
	verify(c, (size_t)n);
	n_flowed += has_begun && !is_over ? (size_t)n : 0;
	if (is_over && c->received == c->sent)
		c->stage = STAGE_FINISHING;
}

/*
 * Sends one message after the other in equal steps, so that each connection has its turn once in a
 * period.
 */
static void send_what_is_due(uint64_t now)
{
	size_t n_pings = n_conns - n_firehoses;
	uint64_t due_ns;
	while ((due_ns = pings_since_ns + n_due * PING_PERIOD_NS / n_pings) <= now) {
		struct conn *c = &conns[n_due++ % n_pings];
		if (c->stage == STAGE_HOLDING) {
			start_message(c);
			c->start_ns = due_ns;
		} else if (c->owed_ns == 0) {
			c->owed_ns = due_ns;
		}
	}
}

/* A message that is not back counts with its age. */
static void end_all(uint64_t now)
{
	for (size_t i = 0; i < n_conns; i++) {
		struct conn *c = &conns[i];
		if (c->stage == STAGE_FLOWING)
			end_firehose(c);
		else if (c->stage == STAGE_HOLDING)
			finish(c);
		else if (c->stage == STAGE_ECHOING && now > c->start_ns)
			add_sample(now - c->start_ns);
	}
}

static void keep_the_beat(void)
{
	static bool has_ended;
	uint64_t now = now_ns();
	pass_time(now);
	if (!is_over)
		send_what_is_due(now);
	else if (!has_ended)
		end_all(now);
	has_ended = is_over;
}

/* ---- all of them ---- */

_Noreturn static void give_up(void)
{
	const struct conn *c = conns;
	while (c->stage == STAGE_CLOSED || c->stage == STAGE_HOLDING)
		c++;
	fail("nothing for %g s: connection %zu has %zu of %zu bytes and waits for %s", timeout_s,
	     index_of(c), c->received, message_size,
	     c->stage == STAGE_ECHOING ? "the rest" : "the end");
}

/* Waits once and handles the events. Called only while a message is in flight. */
static void handle_events(void)
{
	struct epoll_event events[EVENTS];
	/* Mode fair never sleeps: the client has a core, and a wake-up would delay its messages. */
	bool beats = mode == MODE_FAIR && !is_opening;
	int n = epoll_wait(epoll_fd, events, EVENTS, beats ? 0 : (int)(timeout_s * 1000));
	if (n < 0 && errno != EINTR)
		fail("epoll: %s", strerror(errno));
	if (n > 0)
		last_event_ns = now_ns();
	else if (!beats || (double)(now_ns() - last_event_ns) > timeout_s * 1e9)
		give_up();
	for (int i = 0; i < n; i++) {
		struct conn *c = events[i].data.ptr;
		if (c->stage == STAGE_FLOWING) {
			flow(c, events[i].events);
			continue;
		}
		if (c->stage == STAGE_ECHOING)
			send_rest(c);
		receive(c);
	}
}

/*
 * Opens a few connections at a time; the first messages of these must be back before others follow.
 */
static void open_all(void)
{
	size_t n = n_conns - n_firehoses;
	is_opening = mode != MODE_CONNECT;
	for (size_t i = 0; i < n; i++) {
		open_next(&conns[i]);
		start_message(&conns[i]);
		while (is_opening && i + 1 - n_held >= CONNECTING_MAX)
			handle_events();
	}
	while (is_opening && n_held < n)
		handle_events();
	is_opening = false;
}

static void start_all(void)
{
	pings_since_ns = last_event_ns = now_ns();
	if (mode == MODE_RR)
		for (size_t i = 0; i < n_conns; i++)
			start_message(&conns[i]);
	for (size_t i = n_conns - n_firehoses; i < n_conns; i++)
		open_firehose(&conns[i]);
}

static void hold(void)
{
	printf("held\n");
	fflush(stdout);
	char byte;
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	is_over = true;
	n_counted = n_conns;
	for (size_t i = 0; i < n_conns; i++)
		start_message(&conns[i]);
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static void report(void)
{
	size_t n = n_counted < SAMPLES ? n_counted : SAMPLES;
	qsort(samples, n, sizeof(samples[0]), by_size);
	double seconds = (double)(end_ns - begin_ns) / 1e9;
	printf("{\"mode\": \"%s\", \"connections\": %zu, \"size\": %zu, \"seconds\": %.6f, "
	       "\"count\": %zu, \"per_second\": %.1f, \"p50_us\": %.3f, \"p99_us\": %.3f",
	       mode_names[mode], n_conns, message_size, seconds, n_counted,
	       (double)n_counted / seconds, n ? samples[n / 2] / 1e3 : 0,
	       n ? samples[n * 99 / 100] / 1e3 : 0);
	if (mode == MODE_FAIR)
		printf(", \"firehose_mib\": %.3f", (double)n_flowed / seconds / (1 << 20));
	if (cpu_path != NULL && n_counted > 0)
		printf(", \"cpu_us\": %.3f", (end_cpu_us - begin_cpu_us) / (double)n_counted);
	printf(", \"verified_bytes\": %zu, \"error\": null}\n", n_messages * message_size);
}

/* ---- the command line ---- */

_Noreturn static void usage(void)
{
	fprintf(stderr,
		"usage: load rr|connect|idle|fair [-a ADDRESS] -p PORT [-c CONNECTIONS] [-s SIZE]\n"
		"            [-w WARMUP] [-t SECONDS] [-i TIMEOUT] [-u CPU_STAT_FILE]\n"
		"            [-f FIREHOSES] [-n COUNT_MOST]\n");
	exit(2);
}

static double number(const char *text, double most)
{
	char *end;
	double value = strtod(text, &end);
	if (*end != '\0' || end == text || !(value >= 0) || value > most)
		usage();
	return value;
}

static void parse(int argc, char **argv, double *ret_warmup, double *ret_seconds)
{
	if (argc < 2)
		usage();
	while (strcmp(argv[1], mode_names[mode]) != 0)
		if (++mode > MODE_FAIR)
			usage();
	target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int option;
	while ((option = getopt(argc - 1, argv + 1, "a:p:c:s:w:t:i:u:f:n:")) != -1)
		switch (option) {
		case 'a':
			if (inet_pton(AF_INET, optarg, &target.sin_addr) != 1)
				usage();
			break;
		case 'p':
			target.sin_port = htons((uint16_t)number(optarg, UINT16_MAX));
			break;
		case 'c':
			n_conns = (size_t)number(optarg, CONNS_MAX);
			break;
		case 's':
			message_size = (size_t)number(optarg, MESSAGE_MAX);
			break;
		case 'w':
			*ret_warmup = number(optarg, 3600);
			break;
		case 't':
			*ret_seconds = number(optarg, 3600);
			break;
		case 'i':
			timeout_s = number(optarg, 3600);
			break;
		case 'f':
			n_firehoses = (size_t)number(optarg, FIREHOSES_MAX);
			break;
		case 'n':
			n_counted_most = (size_t)number(optarg, UINT32_MAX);
			break;
		case 'u':
			cpu_path = optarg;
			break;
		default:
			usage();
		}
	if (target.sin_port == 0 || n_conns == 0 || message_size == 0)
		usage();
	if (n_firehoses > 0 && mode != MODE_FAIR)
		usage();
	n_conns += n_firehoses;
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Bytes without repeating parts within a period (xorshift). */
static void fill_pattern(void)
{
	uint64_t x = 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < PAYLOAD_PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		payload[i] = (unsigned char)(x >> 32);
	}
	for (size_t i = PAYLOAD_PERIOD; i < sizeof(payload); i++)
		payload[i] = payload[i - PAYLOAD_PERIOD];
}

int main(int argc, char **argv)
{
	double warmup = 0, seconds = 1;
	parse(argc, argv, &warmup, &seconds);
	raise_descriptor_limit();
	fill_pattern();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	begin_ns = end_ns = UINT64_MAX; /* before the warm-up has begun, nothing is counted */
	if (mode != MODE_CONNECT)
		open_all();
	begin_ns = now_ns() + (uint64_t)(warmup * 1e9);
	end_ns = begin_ns + (uint64_t)(seconds * 1e9);
	if (mode == MODE_CONNECT)
		open_all();
	else
		start_all();
	if (mode == MODE_IDLE)
		hold();
	while (n_open > 0) {
		if (mode == MODE_FAIR)
			keep_the_beat();
		handle_events();
	}
	report();
	return 0;
}
