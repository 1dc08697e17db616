/* SPDX-License-Identifier: MIT */
/*
 * The echo server of UNIX Network Programming, chapter 5, in its smallest correct form: one forked
 * child for each client. The client is client.c. docs/UNP5.md compares both with tcpecho.
 *
 *     build/examples/unp/unp-server [PORT]      default 9877; 0: the kernel chooses
 *
 * IPv4 only, no limit on clients, no timeouts, no graceful shutdown: `tcpecho serve` has these.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

/* One SIGCHLD can stand for several children: reap until no ended child is left. */
static void sig_chld(int signo)
{
	(void)signo;
	int saved_errno = errno;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	errno = saved_errno;
}

static void handle_signal(int signo, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_NOCLDSTOP };
	if (sigaction(signo, &action, NULL) < 0)
		die("sigaction");
}

/* Writes all n bytes: write(2) may take fewer. */
static int writen(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t written = write(fd, bytes, n);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		bytes += written;
		n -= (size_t)written;
	}
	return 0;
}

/* Sends back what the client sends, until its FIN. Returns -1 if the connection failed. */
static int str_echo(int sockfd)
{
	char buffer[4096];
	for (;;) {
		ssize_t n = read(sockfd, buffer, sizeof(buffer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		if (writen(sockfd, buffer, (size_t)n) < 0)
			return -1;
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

static int listen_on(const char *port)
{
	int listenfd = socket(AF_INET, SOCK_STREAM, 0);
	if (listenfd < 0)
		die("socket");
	/* A restart would otherwise fail in bind(2) while old connections are in TIME-WAIT. */
	int on = 1;
	if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		die("setsockopt");
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = port_of(port),
				       .sin_addr.s_addr = htonl(INADDR_ANY) };
	socklen_t size = sizeof(address);
	if (bind(listenfd, (struct sockaddr *)&address, size) < 0)
		die("bind");
	if (listen(listenfd, SOMAXCONN) < 0)
		die("listen");
	if (getsockname(listenfd, (struct sockaddr *)&address, &size) < 0)
		die("getsockname");
	printf("listening on port %d\n", ntohs(address.sin_port));
	fflush(stdout); /* otherwise each child would inherit the buffered line */
	return listenfd;
}

/* Returns the next connected socket. */
static int accept_client(int listenfd)
{
	for (;;) {
		int connfd = accept(listenfd, NULL, NULL);
		if (connfd >= 0)
			return connfd;
		if (errno == EINTR || errno == ECONNABORTED)
			continue; /* a child ended; the client was gone before accept(2) */
		/* EMFILE, for example, lasts: accept(2) would fail again at once, so wait. */
		perror("accept");
		sleep(1);
	}
}

int main(int argc, char **argv)
{
	handle_signal(SIGCHLD, sig_chld);
	handle_signal(SIGPIPE, SIG_IGN); /* writing to a reset connection returns EPIPE instead */
	int listenfd = listen_on(argc > 1 ? argv[1] : "9877");
	for (;;) {
		int connfd = accept_client(listenfd);
		pid_t pid;
		while ((pid = fork()) < 0) {
			perror("fork"); /* out of processes: the client waits until a child ends */
			sleep(1);
		}
		if (pid == 0) {
			close(listenfd);
			_exit(str_echo(connfd) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
		}
		close(connfd); /* the child's copy is the last one: its end sends the FIN */
	}
}
