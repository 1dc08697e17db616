/* SPDX-License-Identifier: MIT */
/*
 * The echo client of UNIX Network Programming, chapter 5, in its smallest correct form: standard
 * input to the server, what comes back to standard output. Like section 6.8 of the book, it waits
 * for both at once, and its end of input is a half-close.
 *
 *     build/examples/unp/unp-client [ADDRESS [PORT]]      default 127.0.0.1 9877
 *
 * Counts the bytes, but does not compare them, and has no timeout: `tcpecho talk` does both.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

/* Copies what came back to standard output. Returns its size, 0 at the server's FIN. */
static size_t receive(int sockfd)
{
	char bytes[4096];
	ssize_t received = recv(sockfd, bytes, sizeof(bytes), 0);
	if (received < 0)
		die("recv");
	for (ssize_t done = 0; done < received;) {
		ssize_t n = write(STDOUT_FILENO, bytes + done, (size_t)(received - done));
		if (n < 0)
			die("write");
		done += n;
	}
	return (size_t)received;
}

/*
 * Echoes standard input until the server's FIN. Returns whether everything came back.
 *
 * It reads new input only when the old is sent, and never blocks in send(2): while the server waits
 * for us to receive, it does not receive, and both would wait forever.
 */
static bool str_cli(int sockfd)
{
	char line[4096];
	size_t unsent = 0, start = 0, n_in = 0, n_out = 0;
	bool is_end = false;
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = is_end || unsent > 0 ? -1 : STDIN_FILENO, .events = POLLIN },
			{ .fd = sockfd, .events = unsent > 0 ? POLLIN | POLLOUT : POLLIN },
		};
		if (poll(fds, 2, -1) < 0)
			die("poll");
		if (fds[1].revents & ~POLLOUT) {
			size_t received = receive(sockfd);
			if (received == 0)
				return is_end && n_in == n_out;
			n_in += received;
		}
		if (fds[0].revents != 0) {
			ssize_t n = read(STDIN_FILENO, line, sizeof(line));
			if (n < 0)
				die("read");
			start = 0;
			unsent = (size_t)n;
			is_end = n == 0;
			if (is_end && shutdown(sockfd, SHUT_WR) < 0) /* our FIN; we still receive */
				die("shutdown");
		}
		if (unsent > 0) {
			ssize_t n = send(sockfd, line + start, unsent, MSG_DONTWAIT | MSG_NOSIGNAL);
			if (n < 0 && errno != EAGAIN)
				die("send");
			size_t sent = n < 0 ? 0 : (size_t)n;
			start += sent;
			unsent -= sent;
			n_out += sent;
		}
	}
}

static in_port_t port_of(const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);
	if (end == text || *end != '\0' || port > UINT16_MAX) {
		fprintf(stderr, "not a port: %s\n", text);
		exit(2);
	}
	return htons((uint16_t)port);
}

int main(int argc, char **argv)
{
	struct sockaddr_in server = { .sin_family = AF_INET,
				      .sin_port = port_of(argc > 2 ? argv[2] : "9877") };
	if (inet_pton(AF_INET, argc > 1 ? argv[1] : "127.0.0.1", &server.sin_addr) != 1) {
		fprintf(stderr, "not an IPv4 address: %s\n", argv[1]);
		return 2;
	}
	int sockfd = socket(AF_INET, SOCK_STREAM, 0);
	if (sockfd < 0)
		die("socket");
	if (connect(sockfd, (struct sockaddr *)&server, sizeof(server)) < 0)
		die("connect");
	if (!str_cli(sockfd)) {
		fprintf(stderr, "server ended early\n");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
