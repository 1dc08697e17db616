/* SPDX-License-Identifier: MIT */
/*
 * Compares our clock readings with the kernel's time stamps: one echo at a time, and for each the
 * times around send(2) and recv(2) beside the kernel's own (SO_TIMESTAMPING, software).
 *
 *   before   ours, before send(2)
 *   sched    the kernel's, when the segment enters the queue of the device
 *   driver   the kernel's, when the driver has it (loopback: when the receiver gets it)
 *   after    ours, after send(2)
 *   ack      the kernel's, when the peer has acknowledged it
 *   arrived  the kernel's, when the segment of the echo came in
 *   back     ours, after recv(2)
 *
 * usage: stamps [-n COUNT] [-s SIZE] [-w WARMUP] [-p] ADDRESS PORT    -p: poll
 *
 * A line for each message: the seven, in nanoseconds since `before`; a stamp that did not come is
 * "-". All are of CLOCK_REALTIME, because the kernel's are.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)
#define SIZE_MAX 1024
#define CONTROL  512

/* Maximum number of reads for the last stamp of a message, which may come after the echo. */
#define LOOKS_MAX 1000

enum { BEFORE, SCHED, DRIVER, AFTER, ACK, ARRIVED, BACK, N_STAMPS };

static size_t count = 2000, size = 64, warmup = 200;
static int looks; /* polls instead of sleeping */
static unsigned char message[SIZE_MAX], reply[SIZE_MAX];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t ns_of(struct timespec t)
{
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return ns_of(t);
}

static int connect_to(const char *address, const char *port)
{
	static const int on = 1;
	static const unsigned int stamps =
		SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_ACK |
		SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
		SOF_TIMESTAMPING_OPT_TSONLY;
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || inet_pton(AF_INET, address, &name.sin_addr) != 1)
		die("socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0)
		die("connect");
	/* Bytes are numbered from here on. */
	if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof(stamps)) < 0)
		die("SO_TIMESTAMPING");
	return fd;
}

/* ---- the kernel's time stamps ---- */

static void note_error(const struct sock_extended_err *error, uint64_t stamp_ns, uint32_t last,
		       uint64_t *times)
{
	if (error->ee_errno != ENOMSG || error->ee_origin != SO_EE_ORIGIN_TIMESTAMPING ||
	    error->ee_data != last)
		return;
	if (error->ee_info == SCM_TSTAMP_SCHED)
		times[SCHED] = stamp_ns;
	else if (error->ee_info == SCM_TSTAMP_SND)
		times[DRIVER] = stamp_ns;
	else if (error->ee_info == SCM_TSTAMP_ACK)
		times[ACK] = stamp_ns;
}

/*
 * Returns the kernel's receive time stamp, 0 if it is missing; notes a time stamp of a sent
 * segment.
 */
static uint64_t read_control(struct msghdr *header, uint32_t last, uint64_t *times)
{
	uint64_t stamp_ns = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPING) {
			struct scm_timestamping stamps;
			memcpy(&stamps, CMSG_DATA(c), sizeof(stamps));
			stamp_ns = ns_of(stamps.ts[0]);
		} else if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) {
			struct sock_extended_err error;
			memcpy(&error, CMSG_DATA(c), sizeof(error));
			note_error(&error, stamp_ns, last, times);
		}
	}
	return stamp_ns;
}

/* Returns the number of bytes, or -1 with errno. */
static ssize_t receive(int fd, int flags, size_t most, uint32_t last, uint64_t *times)
{
	char control[CONTROL];
	struct iovec piece = { .iov_base = reply, .iov_len = most };
	struct msghdr header = {
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &header, flags);
	if (n < 0)
		return n;
	uint64_t back_ns = now_ns();
	uint64_t stamp_ns = read_control(&header, last, times);
	if ((flags & MSG_ERRQUEUE) == 0) {
		times[BACK] = back_ns;
		times[ARRIVED] = stamp_ns;
	}
	return n;
}

/* The error queue has the time stamps of sent segments. */
static void read_stamps(int fd, uint32_t last, uint64_t *times)
{
	for (int i = 0; i < LOOKS_MAX; i++) {
		if (times[SCHED] != 0 && times[DRIVER] != 0 && times[ACK] != 0)
			return;
		if (receive(fd, MSG_ERRQUEUE | MSG_DONTWAIT, size, last, times) < 0 &&
		    errno != EAGAIN)
			die("error queue");
	}
}

static void round_trip(int fd, uint32_t last, uint64_t *times)
{
	times[BEFORE] = now_ns();
	if (send(fd, message, size, MSG_NOSIGNAL) != (ssize_t)size)
		die("send");
	times[AFTER] = now_ns();
	for (size_t n_back = 0; n_back < size;) {
		ssize_t n = receive(fd, looks ? MSG_DONTWAIT : 0, size - n_back, last, times);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			die("receive");
		n_back += n > 0 ? (size_t)n : 0;
	}
	read_stamps(fd, last, times);
}

/* ---- the command line ---- */

_Noreturn static void usage(void)
{
	fprintf(stderr, "usage: stamps [-n COUNT] [-s SIZE] [-w WARMUP] [-p] ADDRESS PORT\n");
	exit(2);
}

static void print(const uint64_t *times)
{
	for (int i = 0; i < N_STAMPS; i++) {
		if (times[i] == 0)
			printf("-");
		else
			printf("%lld", (long long)(times[i] - times[BEFORE]));
		putchar(i + 1 < N_STAMPS ? ' ' : '\n');
	}
}

int main(int argc, char **argv)
{
	int option;
	while ((option = getopt(argc, argv, "n:s:w:p")) != -1)
		switch (option) {
		case 'n':
			count = strtoul(optarg, NULL, 10);
			break;
		case 's':
			size = strtoul(optarg, NULL, 10);
			break;
		case 'w':
			warmup = strtoul(optarg, NULL, 10);
			break;
		case 'p':
			looks = 1;
			break;
		default:
			usage();
		}
	if (argc - optind != 2 || size == 0 || size > SIZE_MAX)
		usage();
	int fd = connect_to(argv[optind], argv[optind + 1]);
	printf("before sched driver after ack arrived back\n");
	for (size_t i = 0; i < warmup + count; i++) {
		uint64_t times[N_STAMPS] = { 0 };
		round_trip(fd, (uint32_t)((i + 1) * size - 1), times);
		if (i >= warmup)
			print(times);
	}
	return 0;
}
