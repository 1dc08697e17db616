/* SPDX-License-Identifier: MIT */
/*
 * The concurrent echo server of UNIX Network Programming, chapter 5, written in the style of the
 * book: one child for each client, a SIGCHLD handler that waits for all ended children, 4 KiB at a
 * time. The fork engine is compared with it, so it stays as plain as in the book.
 *
 * TUNED corrects the two faults that slow down large messages: the small buffer, and Nagle's
 * algorithm, which delays the last segment of a message until the client acknowledges the one
 * before (40 ms).
 *
 * usage: textbook ADDRESS PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LISTENQ 1024
#ifdef TUNED
#define MAXLINE 65536
#else
#define MAXLINE 4096
#endif

static void err_sys(const char *what)
{
	perror(what);
	exit(1);
}

static void sig_chld(int signo)
{
	(void)signo;
	int saved_errno = errno;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	errno = saved_errno;
}

static ssize_t writen(int fd, const void *buf, size_t n)
{
	size_t nleft = n;
	const char *ptr = buf;
	while (nleft > 0) {
		ssize_t nwritten = write(fd, ptr, nleft);
		if (nwritten <= 0) {
			if (nwritten < 0 && errno == EINTR)
				continue;
			return -1;
		}
		nleft -= (size_t)nwritten;
		ptr += nwritten;
	}
	return (ssize_t)n;
}

static void str_echo(int sockfd)
{
	char buf[MAXLINE];
	ssize_t n;
again:
	while ((n = read(sockfd, buf, MAXLINE)) > 0)
		if (writen(sockfd, buf, (size_t)n) < 0)
			err_sys("write");
	if (n < 0 && errno == EINTR)
		goto again;
	if (n < 0)
		err_sys("read");
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: textbook ADDRESS PORT\n");
		return 2;
	}
	struct sockaddr_in servaddr;
	memset(&servaddr, 0, sizeof(servaddr));
	servaddr.sin_family = AF_INET;
	servaddr.sin_port = htons((uint16_t)atoi(argv[2]));
	inet_pton(AF_INET, argv[1], &servaddr.sin_addr);

	int listenfd = socket(AF_INET, SOCK_STREAM, 0);
	if (listenfd < 0)
		err_sys("socket");
#ifdef TUNED
	const int on = 1; /* the connected sockets inherit it */
	if (setsockopt(listenfd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		err_sys("setsockopt");
#endif
	if (bind(listenfd, (struct sockaddr *)&servaddr, sizeof(servaddr)) < 0)
		err_sys("bind");
	if (listen(listenfd, LISTENQ) < 0)
		err_sys("listen");

	struct sigaction act = { .sa_handler =
					 sig_chld }; /* without SA_RESTART: accept gives EINTR */
	sigemptyset(&act.sa_mask);
	if (sigaction(SIGCHLD, &act, NULL) < 0)
		err_sys("sigaction");

	for (;;) {
		int connfd = accept(listenfd, NULL, NULL);
		if (connfd < 0) {
			if (errno == EINTR)
				continue;
			err_sys("accept");
		}
		pid_t childpid = fork();
		if (childpid < 0)
			err_sys("fork");
		if (childpid == 0) {
			close(listenfd);
			str_echo(connfd);
			exit(0);
		}
		close(connfd);
	}
}
