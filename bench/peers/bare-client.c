/* SPDX-License-Identifier: MIT */
/*
 * The minimum that an epoll client can do to put load on an echo server: one thread,
 * edge-triggered, one receive and one send for each message. It compares nothing, records no times
 * and handles no failure. The difference to `tcpecho bench` is the cost of what bench does more.
 *
 * usage: bare-client [-c CONNECTIONS] [-s SIZE] [-w WARMUP] [-t SECONDS] ADDRESS PORT
 *
 * At the end it prints a JSON document of one line.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S  UINT64_C(1000000000)
#define PIECE     65536
#define CONNS_MAX 32768
#define EVENTS    256

struct conn {
	int fd;
	size_t unsent, unreturned; /* bytes of the message in flight */
};

static int epoll_fd;
static struct conn conns[CONNS_MAX];
static size_t n_conns = 64, size = 64;
static uint64_t n_back;
static _Alignas(64) unsigned char output[PIECE], input[PIECE];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* What does not fit now is sent when there is room. */
static void send_some(struct conn *c)
{
	while (c->unsent > 0) {
		size_t most = c->unsent < PIECE ? c->unsent : PIECE;
		ssize_t n = send(c->fd, output, most, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			die("send");
		c->unsent -= (size_t)n;
	}
}

static void begin(struct conn *c)
{
	c->unsent = c->unreturned = size;
	send_some(c);
}

/* A receive that returns less than requested has emptied the socket. */
static void receive(struct conn *c)
{
	ssize_t n;
	do {
		n = recv(c->fd, input, PIECE, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			die("receive");
		c->unreturned -= (size_t)n;
		if (c->unreturned == 0) {
			n_back++;
			begin(c);
			return; /* no more bytes can be there yet */
		}
	} while (n == PIECE);
}

static void open_all(const char *address, const char *port)
{
	static const int on = 1;
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (inet_pton(AF_INET, address, &name.sin_addr) != 1)
		die(address);
	for (size_t i = 0; i < n_conns; i++) {
		struct conn *c = &conns[i];
		c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&name, sizeof(name)) < 0)
			die("connect");
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
					     .data.ptr = c };
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0)
			die("epoll_ctl");
	}
}

static void run_until(uint64_t end_ns)
{
	while (now_ns() < end_ns) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(epoll_fd, events, EVENTS, 1000);
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;
			if (events[i].events & EPOLLOUT)
				send_some(c);
			if (events[i].events & EPOLLIN)
				receive(c);
		}
	}
}

_Noreturn static void usage(void)
{
	fprintf(stderr, "usage: bare-client [-c CONNECTIONS] [-s SIZE] [-w WARMUP] [-t SECONDS] "
			"ADDRESS PORT\n");
	exit(2);
}

static void parse(int argc, char **argv, double *ret_warmup, double *ret_seconds)
{
	int option;
	while ((option = getopt(argc, argv, "c:s:w:t:")) != -1)
		switch (option) {
		case 'c':
			n_conns = strtoul(optarg, NULL, 10);
			break;
		case 's':
			size = strtoul(optarg, NULL, 10);
			break;
		case 'w':
			*ret_warmup = strtod(optarg, NULL);
			break;
		case 't':
			*ret_seconds = strtod(optarg, NULL);
			break;
		default:
			usage();
		}
	if (argc - optind != 2 || n_conns == 0 || n_conns > CONNS_MAX || size == 0)
		usage();
}

int main(int argc, char **argv)
{
	double warmup = 0.3, seconds = 1;
	parse(argc, argv, &warmup, &seconds);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	open_all(argv[optind], argv[optind + 1]);
	for (size_t i = 0; i < n_conns; i++)
		begin(&conns[i]);
	run_until(now_ns() + (uint64_t)(warmup * 1e9));
	uint64_t begin_ns = now_ns(), begin_cpu_ns = cpu_ns(), n_before = n_back;
	run_until(begin_ns + (uint64_t)(seconds * 1e9));
	double elapsed = (double)(now_ns() - begin_ns) / 1e9;
	double cpu = (double)(cpu_ns() - begin_cpu_ns) / 1e9;
	double n = (double)(n_back - n_before);
	printf("{\"count\": %.0f, \"per_second\": %.1f, \"cpu_share\": %.4f}\n", n, n / elapsed,
	       cpu / elapsed);
	return 0;
}
