/* SPDX-License-Identifier: MIT */
/*
 * Verified load: COUNT connections, IN_FLIGHT of them at a time. Each sends SIZE bytes and its FIN,
 * receives at the same time, and compares every byte until the server's FIN. It works the same for
 * one connection of a terabyte and a million connections of 64 bytes.
 *
 * A byte depends on the seed, the connection and the offset, so a loss, a repetition and a swap of
 * connections all show. Every connection has its own source address, 127.1.0.0 plus its number: its
 * record at the server is unique, and ports are never short.
 *
 * Each ended connection is a line of JSON on standard output (ledger.py). Exit status 1 if one of
 * them was not whole, or if there was no progress for TIMEOUT_MS.
 *
 * usage: load PORT SEED COUNT IN_FLIGHT SIZE
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE ((size_t)256 * 1024) /* maximum in one call */
/* of the pattern: prime, so that no buffer size is a multiple */
#define PERIOD ((size_t)1000003)
/* distance in the pattern from one connection to the next */
#define STEP           ((uint64_t)65537)
#define MOST_IN_FLIGHT 4096
#define TIMEOUT_MS     60000

#define FIRST_ADDRESS 0x7f010000u /* 127.1.0.0 */
#define ADDRESSES     (254u << 16)

struct connection {
	int fd;
	uint64_t number, sent, received;
};

struct load {
	uint64_t seed, count, size;
	uint64_t started, whole;
	size_t n_open;
	struct sockaddr_in server;
	int epoll_fd;
	unsigned char payload[PERIOD + PIECE];
	unsigned char received[PIECE];
	struct connection connections[MOST_IN_FLIGHT];
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* splitmix64 (Steele, Lea, Flood 2014): every seed gives a different stream. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* The period, and then its beginning again: a block from any offset is contiguous. */
static void make_pattern(struct load *load)
{
	uint64_t state = load->seed;
	for (size_t i = 0; i < PERIOD; i++)
		load->payload[i] = (unsigned char)next_random(&state);
	memcpy(load->payload + PERIOD, load->payload, PIECE);
}

static const unsigned char *payload_at(const struct load *load, uint64_t number, uint64_t offset)
{
	return load->payload + (number * STEP + offset) % PERIOD;
}

/* ---- one connection ---- */

static bool has_sent_all(const struct load *load, const struct connection *connection)
{
	return connection->sent == load->size;
}

/*
 * Closes the connection and prints its claim. outcome: whole, cut (by a FIN or a reset) or wrong.
 */
__attribute__((format(printf, 4, 5))) static void end(struct load *load,
						      struct connection *connection,
						      const char *outcome, const char *why, ...)
{
	printf("{\"n\":%" PRIu64 ",\"kind\":\"load\",\"outcome\":\"%s\",\"sent\":%" PRIu64
	       ",\"received\":%" PRIu64 ",\"why\":\"",
	       connection->number, outcome, connection->sent, connection->received);
	va_list values;
	va_start(values, why);
	vprintf(why, values);
	va_end(values);
	printf("\"}\n");
	load->whole += strcmp(outcome, "whole") == 0;
	load->n_open--;
	close(connection->fd);
	connection->fd = -1;
}

static void watch(struct load *load, struct connection *connection, int how, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = connection };
	if (epoll_ctl(load->epoll_fd, how, connection->fd, &event) < 0)
		die("epoll_ctl");
}

static void begin(struct load *load, struct connection *connection)
{
	*connection = (struct connection){ .number = load->started++ };
	connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connection->fd < 0)
		die("socket");
	/* connect(2) chooses the port: it need not be free for every destination. */
	int yes = 1;
	setsockopt(connection->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
	struct sockaddr_in own = {
		.sin_family = AF_INET,
		.sin_addr.s_addr =
			htonl(FIRST_ADDRESS + (uint32_t)(connection->number % ADDRESSES)),
	};
	if (bind(connection->fd, (struct sockaddr *)&own, sizeof(own)) < 0)
		die("bind");
	const struct sockaddr *server = (const struct sockaddr *)&load->server;
	if (connect(connection->fd, server, sizeof(load->server)) < 0 && errno != EINPROGRESS)
		die("connect");
	load->n_open++;
	watch(load, connection, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

static void send_piece(struct load *load, struct connection *connection)
{
	uint64_t left = load->size - connection->sent;
	const unsigned char *piece = payload_at(load, connection->number, connection->sent);
	ssize_t n = send(connection->fd, piece, left < PIECE ? left : PIECE, MSG_NOSIGNAL);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) {
		end(load, connection, "cut", "send: %s", strerror(errno));
		return;
	}
	connection->sent += (uint64_t)n;
	if (has_sent_all(load, connection)) {
		shutdown(connection->fd, SHUT_WR); /* if it fails, a receive returns the reason */
		watch(load, connection, EPOLL_CTL_MOD, EPOLLIN);
	}
}

static void verify(struct load *load, struct connection *connection, size_t n)
{
	const unsigned char *wanted = payload_at(load, connection->number, connection->received);
	size_t at = 0;
	if (connection->received + n > connection->sent)
		end(load, connection, "wrong", "more came back than was sent");
	else if (memcmp(load->received, wanted, n) == 0)
		connection->received += n;
	else {
		while (load->received[at] == wanted[at])
			at++;
		end(load, connection, "wrong", "byte %" PRIu64 ": sent 0x%02x, got 0x%02x",
		    connection->received + at, wanted[at], load->received[at]);
	}
}

static void receive_piece(struct load *load, struct connection *connection)
{
	ssize_t n = recv(connection->fd, load->received, PIECE, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0)
		verify(load, connection, (size_t)n);
	else if (n < 0)
		end(load, connection, "cut", "recv: %s", strerror(errno));
	else if (has_sent_all(load, connection) && connection->received == load->size)
		end(load, connection, "whole", "%s", "");
	else
		end(load, connection, "cut", "it ended early");
}

/* ---- all of them ---- */

static void serve_event(struct load *load, const struct epoll_event *event)
{
	struct connection *connection = event->data.ptr;
	if (event->events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		receive_piece(load, connection);
	if (connection->fd >= 0 && (event->events & EPOLLOUT) && !has_sent_all(load, connection))
		send_piece(load, connection);
	if (connection->fd < 0 && load->started < load->count)
		begin(load, connection);
}

static int run(struct load *load, uint64_t in_flight)
{
	for (uint64_t i = 0; i < in_flight && i < load->count; i++)
		begin(load, &load->connections[i]);
	while (load->n_open > 0) {
		struct epoll_event events[64];
		int n = epoll_wait(load->epoll_fd, events, 64, TIMEOUT_MS);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		if (n == 0) {
			fprintf(stderr, "load: nothing moves: %zu connections hang\n",
				load->n_open);
			return 1;
		}
		for (int i = 0; i < n; i++)
			serve_event(load, &events[i]);
	}
	return load->whole == load->count ? 0 : 1;
}

static uint64_t number(const char *text)
{
	char *rest;
	errno = 0;
	uint64_t value = strtoull(text, &rest, 10);
	if (errno != 0 || rest == text || *rest != '\0') {
		fprintf(stderr, "load: not a number: %s\n", text);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	if (argc != 6 || number(argv[4]) > MOST_IN_FLIGHT || number(argv[5]) == 0) {
		fprintf(stderr, "usage: load PORT SEED COUNT IN_FLIGHT SIZE\n");
		return 2;
	}
	static struct load load; /* too large for the stack */
	load.server = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)number(argv[1])),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	load.seed = number(argv[2]);
	load.count = number(argv[3]);
	load.size = number(argv[5]);
	load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (load.epoll_fd < 0)
		die("epoll_create1");
	make_pattern(&load);
	setvbuf(stdout, NULL, _IOLBF,
		BUFSIZ); /* every claim is written whole, even if this process is killed */
	return run(&load, number(argv[4]));
}
