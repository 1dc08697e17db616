/* SPDX-License-Identifier: MIT */
/*
 * The minimum that a client can do to time an echo: write, receive until all of it is back, read
 * the clock. It blocks and verifies nothing. The time that `tcpecho ping` measures beyond it is
 * caused by ping itself.
 *
 * usage: bare-ping [-n COUNT] [-s SIZE] [-w WARMUP] [-p] [-v] ADDRESS PORT
 *
 * WARMUP: number of round trips before those that count. -p: polls instead of sleeping. -v: each
 * round trip in nanoseconds, a line each, before the summary, a JSON document of one line.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)
#define SIZE_MAX 65536

static unsigned char message[SIZE_MAX], reply[SIZE_MAX];
static size_t size = 64, count = 10000, warmup = 1000;
static uint64_t *times;
static int flags; /* of recv(2) */

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

static int connect_to(const char *address, const char *port)
{
	static const int on = 1;
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || inet_pton(AF_INET, address, &name.sin_addr) != 1)
		die("socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0)
		die("connect");
	return fd;
}

static uint64_t round_trip(int fd)
{
	uint64_t start_ns = now_ns();
	if (write(fd, message, size) != (ssize_t)size)
		die("write");
	for (size_t n_back = 0; n_back < size;) {
		ssize_t n = recv(fd, reply, size - n_back, flags);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			die("receive");
		n_back += n > 0 ? (size_t)n : 0;
	}
	return now_ns() - start_ns;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static double percentile_us(double percent)
{
	size_t rank = (size_t)((double)count * percent / 100);
	return (double)times[rank < count ? rank : count - 1] / 1000;
}

static double cpu_us(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

_Noreturn static void usage(void)
{
	fprintf(stderr, "usage: bare-ping [-n COUNT] [-s SIZE] [-w WARMUP] [-v] ADDRESS PORT\n");
	exit(2);
}

static void parse(int argc, char **argv, int *ret_is_verbose)
{
	int option;
	while ((option = getopt(argc, argv, "n:s:w:pv")) != -1)
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
			flags = MSG_DONTWAIT;
			break;
		case 'v':
			*ret_is_verbose = 1;
			break;
		default:
			usage();
		}
	if (argc - optind != 2 || count == 0 || size == 0 || size > SIZE_MAX)
		usage();
}

int main(int argc, char **argv)
{
	int is_verbose = 0;
	parse(argc, argv, &is_verbose);
	times = calloc(count, sizeof(*times));
	if (times == NULL)
		die("calloc");
	int fd = connect_to(argv[optind], argv[optind + 1]);
	for (size_t i = 0; i < warmup; i++)
		round_trip(fd);
	double before_us = cpu_us();
	uint64_t start_ns = now_ns();
	for (size_t i = 0; i < count; i++)
		times[i] = round_trip(fd);
	double seconds = (double)(now_ns() - start_ns) / 1e9;
	double each_us = (cpu_us() - before_us) / (double)count;
	for (size_t i = 0; i < count && is_verbose; i++)
		printf("%llu\n", (unsigned long long)times[i]);
	qsort(times, count, sizeof(*times), by_size);
	printf("{\"count\": %zu, \"per_second\": %.1f, \"p50_us\": %.3f, \"p90_us\": %.3f, "
	       "\"p99_us\": %.3f, \"p99.9_us\": %.3f, \"client_cpu_us\": %.3f}\n",
	       count, (double)count / seconds, percentile_us(50), percentile_us(90),
	       percentile_us(99), percentile_us(99.9), each_us);
	return 0;
}
