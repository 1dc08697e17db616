/* SPDX-License-Identifier: MIT */
/*
 * The minimum that an echo server with epoll can do: one thread, level-triggered, one read and one
 * write for each event, TCP_NODELAY. No limits, no log, no statistics. The difference to an engine
 * is the cost of what the engine does more.
 *
 * What the socket does not take is kept, and nothing is read until it is sent.
 *
 * usage: bare-epoll [-s] ADDRESS PORT    -s: never sleep
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUE       4096
#define BUFFER      65536
#define EVENTS      256
#define DESCRIPTORS (1 << 20)

/* Bytes that a slow reader has not taken yet. */
struct rest {
	size_t size, sent;
	char bytes[];
};

static int epoll_fd, listen_fd;
static char buffer[BUFFER];
static struct rest *rests[DESCRIPTORS]; /* by descriptor; NULL for almost all */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void watch(int operation, int fd, unsigned events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };
	if (epoll_ctl(epoll_fd, operation, fd, &event) < 0)
		die("epoll_ctl");
}

static void accept_all(void)
{
	int fd;
	while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		watch(EPOLL_CTL_ADD, fd, EPOLLIN);
}

static void drop(int fd)
{
	free(rests[fd]);
	rests[fd] = NULL;
	close(fd);
}

static void keep(int fd, const char *bytes, size_t size)
{
	struct rest *rest = malloc(sizeof(*rest) + size);
	if (rest == NULL)
		die("malloc");
	rest->size = size;
	rest->sent = 0;
	memcpy(rest->bytes, bytes, size);
	rests[fd] = rest;
	watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
}

static void echo(int fd)
{
	ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
	if (n <= 0) {
		drop(fd);
		return;
	}
	ssize_t sent = send(fd, buffer, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < n)
		keep(fd, buffer + (sent > 0 ? sent : 0), (size_t)(n - (sent > 0 ? sent : 0)));
}

static void send_rest(int fd)
{
	struct rest *rest = rests[fd];
	ssize_t n = send(fd, rest->bytes + rest->sent, rest->size - rest->sent, MSG_NOSIGNAL);
	if (n < 0) {
		drop(fd); /* writable, but the send fails: the client is gone */
		return;
	}
	rest->sent += (size_t)n;
	if (rest->sent == rest->size) {
		free(rest);
		rests[fd] = NULL;
		watch(EPOLL_CTL_MOD, fd, EPOLLIN);
	}
}

static void listen_at(const char *address, const char *port)
{
	static const int on = 1;
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listen_fd < 0 || inet_pton(AF_INET, address, &name.sin_addr) != 1)
		die("socket");
	setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Accepted sockets inherit it. */
	setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(listen_fd, (struct sockaddr *)&name, sizeof(name)) < 0 || listen(listen_fd, QUEUE))
		die("listen");
}

int main(int argc, char **argv)
{
	int timeout = -1;
	if (argc == 4 && strcmp(argv[1], "-s") == 0) {
		timeout = 0;
		argv++, argc--;
	}
	if (argc != 3) {
		fprintf(stderr, "usage: bare-epoll [-s] ADDRESS PORT\n");
		return 2;
	}
	listen_at(argv[1], argv[2]);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	watch(EPOLL_CTL_ADD, listen_fd, EPOLLIN);
	for (;;) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(epoll_fd, events, EVENTS, timeout);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == listen_fd)
				accept_all();
			else if (rests[fd] != NULL)
				send_rest(fd);
			else
				echo(fd);
		}
	}
}
