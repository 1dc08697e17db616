/* SPDX-License-Identifier: MIT */
/*
 * An echo server with known delays: a client's figures can be compared with what happened.
 *
 * A message is what one receive returns; its client must have one in flight at a time. It goes back
 * when its delay, drawn for each message, has passed since the kernel received it. The kernel's
 * time stamp (SO_TIMESTAMPNS) gives that time, so it does not matter when this server woke up. The
 * file records the delay that was kept, not the intended one: from the kernel's time stamp to just
 * before the send.
 *
 * usage: delay-echo [-d DELAYS] [-s SEED] [-o FILE] ADDRESS PORT
 *
 * DELAYS, in microseconds: constant:US, two:US:OTHER:PERCENT (PERCENT of the messages have OTHER),
 * or exponential:MEAN. FILE is an array of struct kept, written as it happens, so that it is whole
 * however the server ends; an entry with a size of 0 ends it.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)
#define CLIENTS  1024
#define EVENTS   64
#define MESSAGE  65536
#define KEPT_MAX (1 << 20)
#define NEVER    UINT64_MAX
#define QUEUE    1024
#define CONTROL  256

/* With less time than this left it does not sleep, because waking up takes too long. */
#define AWAKE_NS UINT64_C(300000)

/* Times of one message. */
struct kept {
	uint64_t arrived_ns; /* the kernel's receive time, CLOCK_REALTIME */
	uint64_t kept_ns;    /* until it was sent */
	uint32_t connection; /* numbered as they were accepted */
	uint32_t size;
};

struct client {
	int fd;
	uint32_t number;
	uint64_t arrived_ns;
	uint64_t due_ns; /* CLOCK_REALTIME; NEVER: no message is in flight */
	size_t size;
	unsigned char message[MESSAGE];
};

static int epoll_fd, listen_fd;
static struct client clients[CLIENTS];
static uint32_t n_clients; /* clients so far: no entry is used twice */
static struct kept *kept;
static size_t n_kept;

static enum { CONSTANT, TWO, EXPONENTIAL } kind;
static double delay_us, other_us, percent;
static uint64_t random_state = 1;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* ---- delays ---- */

/* Returns a random number above 0, up to 1 (xorshift64*). */
static double draw(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	uint64_t bits = random_state * UINT64_C(0x2545f4914f6cdd1d) >> 11;
	return ((double)bits + 1) / 9007199254740992.0;
}

static uint64_t draw_delay_ns(void)
{
	double us = delay_us;
	if (kind == TWO && draw() * 100 <= percent)
		us = other_us;
	if (kind == EXPONENTIAL)
		us = -log(draw()) * delay_us;
	return (uint64_t)(us * 1000);
}

/* ---- one client ---- */

static void drop(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	c->due_ns = NEVER;
}

static void accept_all(void)
{
	static const int on = 1;
	int fd;
	while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (n_clients == CLIENTS) {
			close(fd);
			continue;
		}
		struct client *c = &clients[n_clients];
		*c = (struct client){ .fd = fd, .number = n_clients++, .due_ns = NEVER };
		setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
			die("epoll_ctl");
	}
}

/*
 * Returns the kernel's receive time. The first bytes of a connection may arrive before time stamps
 * are enabled: then it is the time now.
 */
static uint64_t stamp_of(struct msghdr *header)
{
	struct timespec t;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPNS)
			continue;
		memcpy(&t, CMSG_DATA(c), sizeof(t));
		return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
	}
	return now_ns();
}

static void receive(struct client *c)
{
	char control[CONTROL];
	struct iovec piece = { .iov_base = c->message, .iov_len = sizeof(c->message) };
	struct msghdr header = {
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(c->fd, &header, 0);
	if (n <= 0) {
		drop(c);
		return;
	}
	c->size = (size_t)n;
	c->arrived_ns = stamp_of(&header);
	c->due_ns = c->arrived_ns + draw_delay_ns();
}

static void answer(struct client *c)
{
	uint64_t sent_ns = now_ns();
	if (send(c->fd, c->message, c->size, MSG_NOSIGNAL) != (ssize_t)c->size) {
		drop(c);
		return;
	}
	if (kept != NULL && n_kept < KEPT_MAX - 1)
		kept[n_kept++] = (struct kept){
			.arrived_ns = c->arrived_ns,
			.kept_ns = sent_ns - c->arrived_ns,
			.connection = c->number,
			.size = (uint32_t)c->size,
		};
	c->due_ns = NEVER;
}

/* ---- all of them ---- */

/* Sends all due replies. Returns when the next one is due. */
static uint64_t answer_due(void)
{
	uint64_t next_ns = NEVER;
	for (uint32_t i = 0; i < n_clients; i++) {
		struct client *c = &clients[i];
		if (c->due_ns != NEVER && c->due_ns <= now_ns())
			answer(c);
		if (c->due_ns < next_ns)
			next_ns = c->due_ns;
	}
	return next_ns;
}

static int wait_for_events(struct epoll_event *events, uint64_t until_ns)
{
	if (until_ns == NEVER)
		return epoll_pwait2(epoll_fd, events, EVENTS, NULL, NULL);
	struct timespec left = { 0 };
	uint64_t now = now_ns();
	if (until_ns > now + AWAKE_NS) {
		left.tv_sec = (time_t)((until_ns - now - AWAKE_NS) / NS_PER_S);
		left.tv_nsec = (long)((until_ns - now - AWAKE_NS) % NS_PER_S);
	}
	return epoll_pwait2(epoll_fd, events, EVENTS, &left, NULL);
}

static void serve(void)
{
	for (;;) {
		struct epoll_event events[EVENTS];
		int n = wait_for_events(events, answer_due());
		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;
			if (c == NULL)
				accept_all();
			else if (c->due_ns == NEVER && c->fd >= 0)
				receive(c);
		}
	}
}

/* ---- the start ---- */

static void listen_at(const char *address, const char *port)
{
	static const int on = 1;
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listen_fd < 0 || inet_pton(AF_INET, address, &name.sin_addr) != 1)
		die("socket");
	setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(listen_fd, (struct sockaddr *)&name, sizeof(name)) < 0 || listen(listen_fd, QUEUE))
		die("listen");
	struct epoll_event event = { .events = EPOLLIN };
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &event) < 0)
		die("epoll_ctl");
}

static void open_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, KEPT_MAX * sizeof(*kept)) < 0)
		die(path);
	kept = mmap(NULL, KEPT_MAX * sizeof(*kept), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, fd, 0);
	if (kept == MAP_FAILED)
		die(path);
	close(fd);
}

_Noreturn static void usage(void)
{
	fprintf(stderr,
		"usage: delay-echo [-d DELAYS] [-s SEED] [-o FILE] ADDRESS PORT\n"
		"DELAYS, in microseconds: constant:US two:US:OTHER:PERCENT exponential:MEAN\n");
	exit(2);
}

static void parse_delays(const char *text)
{
	if (sscanf(text, "constant:%lf", &delay_us) == 1)
		kind = CONSTANT;
	else if (sscanf(text, "two:%lf:%lf:%lf", &delay_us, &other_us, &percent) == 3)
		kind = TWO;
	else if (sscanf(text, "exponential:%lf", &delay_us) == 1)
		kind = EXPONENTIAL;
	else
		usage();
}

int main(int argc, char **argv)
{
	int option;
	while ((option = getopt(argc, argv, "d:s:o:")) != -1)
		switch (option) {
		case 'd':
			parse_delays(optarg);
			break;
		case 's':
			random_state = strtoull(optarg, NULL, 10) * 2 + 1;
			break;
		case 'o':
			open_file(optarg);
			break;
		default:
			usage();
		}
	if (argc - optind != 2)
		usage();
	prctl(PR_SET_TIMERSLACK, 1UL);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	listen_at(argv[optind], argv[optind + 1]);
	serve();
}
