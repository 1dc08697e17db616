/* SPDX-License-Identifier: MIT */
/*
 * Load for an echo server, from one thread, with every byte verified.
 *
 *   rr       N connections, each with one message under way: the next is sent when the last is back
 *   connect  N conversations under way: connect, one message there and back, half-close, the
 *            server's end, close; then the next, from another of many source addresses, so that
 *            ports which wait (TIME_WAIT) never run out
 *   idle     N connections, one message each, then "held" on standard output and silence until
 *            standard input ends; then one message more on each
 *
 * A byte that differs, is missing, or comes before it was sent is the end of the run. Prints one
 * line of JSON; the exit status is 0, or 1 with the reason as "error".
 *
 * What is counted lies in the window of SECONDS after the warm-up. CPU is the difference that a
 * cgroup's cpu.stat shows between both ends of that window.
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

#define NS_PER_S     1000000000ULL
#define MESSAGE_MOST ((size_t)1 << 20)
#define CONNS_MOST   32000
#define SAMPLES      ((size_t)1 << 22)
#define EVENTS       256

/* Prime: so many different messages before the first comes again. */
#define PATTERN_PERIOD ((size_t)1000003)

/* At most so many connections are being set up at once: short queues must not overflow. */
#define CONNECTING_MOST 32

/* Source addresses, 127.1.0.1 and on: 28,000 ports each are enough for a minute. */
#define SOURCES 512

enum mode { MODE_RR, MODE_CONNECT, MODE_IDLE };

enum stage {
	STAGE_CLOSED,
	STAGE_ECHOING,   /* a message is under way */
	STAGE_HOLDING,   /* idle: the first message is back */
	STAGE_FINISHING, /* half-closed: nothing but the end may come */
};

struct conn {
	int fd;
	enum stage stage;
	const unsigned char *message;
	size_t sent;
	size_t received;
	uint64_t start_ns; /* of the round trip, or of the conversation */
};

static enum mode mode;
static struct sockaddr_in target = { .sin_family = AF_INET };
static size_t n_conns = 1;
static size_t message_size = 64;
static const char *cpu_path;

/* Nothing at all moved for so long: the server has lost something, or has stopped serving. */
static double patience = 8; /* seconds */

static int epoll_fd;
static struct conn conns[CONNS_MOST];
static size_t n_open, n_started, n_messages, n_held;
static bool is_over;

/* The window that is measured. */
static uint64_t begin_ns, end_ns;
static double begin_cpu_us = -1, end_cpu_us = -1;
static bool has_begun;
static size_t n_counted;

static unsigned char pattern[PATTERN_PERIOD + MESSAGE_MOST];
static unsigned char input[2 * MESSAGE_MOST];
static uint32_t samples[SAMPLES]; /* nanoseconds; the latest, if there are more */

static const char *const mode_names[] = { "rr", "connect", "idle" };

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

/* CPU time of the server's cgroup so far, in microseconds; -1 when that is not known. */
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
	if (!is_over && now >= end_ns) {
		is_over = true;
		end_cpu_us = cpu_us();
		end_ns = now;
	}
}

/* One round trip, or one whole conversation, has been verified. */
static void count(const struct conn *c)
{
	uint64_t now = now_ns();
	pass_time(now);
	if (has_begun && !is_over) {
		uint64_t ns = now - c->start_ns;
		samples[n_counted++ % SAMPLES] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
	}
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

/* Each message is another stretch of the pattern: an old answer, or another client's, is wrong. */
static void start_message(struct conn *c)
{
	c->stage = STAGE_ECHOING;
	c->message = pattern + n_messages++ * 7919 % PATTERN_PERIOD;
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
	if (mode == MODE_RR)
		count(c);
	if (is_over || mode == MODE_CONNECT) {
		finish(c);
	} else if (mode == MODE_RR) {
		start_message(c);
	} else {
		c->stage = STAGE_HOLDING;
		n_held++;
	}
}

static void end_is_here(struct conn *c)
{
	if (c->stage != STAGE_FINISHING)
		fail("connection %zu: the server ended after %zu of %zu bytes", index_of(c),
		     c->received, message_size);
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
	if (c->stage != STAGE_ECHOING || n > c->sent - c->received)
		fail("connection %zu: %zu bytes came that were not sent", index_of(c), n);
	const unsigned char *expected = c->message + c->received;
	if (memcmp(input, expected, n) != 0) {
		size_t at = 0;
		while (input[at] == expected[at])
			at++;
		fail("connection %zu: byte %zu differs: sent 0x%02x, got 0x%02x", index_of(c),
		     c->received + at, expected[at], input[at]);
	}
	c->received += n;
}

/* Edge-triggered: receives until a message is back, or there is no more. */
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

/* ---- all of them ---- */

_Noreturn static void give_up(void)
{
	const struct conn *c = conns;
	while (c->stage == STAGE_CLOSED || c->stage == STAGE_HOLDING)
		c++;
	fail("nothing for %g s: connection %zu has %zu of %zu bytes and waits for %s", patience,
	     index_of(c), c->received, message_size,
	     c->stage == STAGE_ECHOING ? "the rest" : "the end");
}

/* One wait, and what it brought. Called only while something is under way. */
static void handle_events(void)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(epoll_fd, events, EVENTS, (int)(patience * 1000));
	if (n < 0 && errno != EINTR)
		fail("epoll: %s", strerror(errno));
	if (n == 0)
		give_up();
	for (int i = 0; i < n; i++) {
		struct conn *c = events[i].data.ptr;
		if (c->stage == STAGE_ECHOING)
			send_rest(c);
		receive(c);
	}
}

/* A few at a time, each with its first message back before others follow. */
static void open_all(void)
{
	for (size_t i = 0; i < n_conns; i++) {
		open_next(&conns[i]);
		start_message(&conns[i]);
		while (mode == MODE_IDLE && i + 1 - n_held >= CONNECTING_MOST)
			handle_events();
	}
}

static void hold(void)
{
	while (n_held < n_conns)
		handle_events();
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
	if (cpu_path != NULL && n_counted > 0)
		printf(", \"cpu_us\": %.3f", (end_cpu_us - begin_cpu_us) / (double)n_counted);
	printf(", \"verified_bytes\": %zu, \"error\": null}\n", n_messages * message_size);
}

/* ---- the command line ---- */

_Noreturn static void usage(void)
{
	fprintf(stderr,
		"usage: load rr|connect|idle [-a ADDRESS] -p PORT [-c CONNECTIONS] [-s SIZE]\n"
		"            [-w WARMUP] [-t SECONDS] [-i PATIENCE] [-u CPU_STAT_FILE]\n");
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
		if (++mode > MODE_IDLE)
			usage();
	target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int option;
	while ((option = getopt(argc - 1, argv + 1, "a:p:c:s:w:t:i:u:")) != -1)
		switch (option) {
		case 'a':
			if (inet_pton(AF_INET, optarg, &target.sin_addr) != 1)
				usage();
			break;
		case 'p':
			target.sin_port = htons((uint16_t)number(optarg, UINT16_MAX));
			break;
		case 'c':
			n_conns = (size_t)number(optarg, CONNS_MOST);
			break;
		case 's':
			message_size = (size_t)number(optarg, MESSAGE_MOST);
			break;
		case 'w':
			*ret_warmup = number(optarg, 3600);
			break;
		case 't':
			*ret_seconds = number(optarg, 3600);
			break;
		case 'i':
			patience = number(optarg, 3600);
			break;
		case 'u':
			cpu_path = optarg;
			break;
		default:
			usage();
		}
	if (target.sin_port == 0 || n_conns == 0 || message_size == 0)
		usage();
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Bytes of which no stretch is like another (xorshift). */
static void fill_pattern(void)
{
	uint64_t x = 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < sizeof(pattern); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern[i] = (unsigned char)(x >> 32);
	}
}

int main(int argc, char **argv)
{
	double warmup = 0, seconds = 1;
	parse(argc, argv, &warmup, &seconds);
	raise_descriptor_limit();
	fill_pattern();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	begin_ns = now_ns() + (uint64_t)(warmup * 1e9);
	end_ns = begin_ns + (uint64_t)(seconds * 1e9);
	open_all();
	if (mode == MODE_IDLE)
		hold();
	while (n_open > 0)
		handle_events();
	report();
	return 0;
}
