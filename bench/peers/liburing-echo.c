/* SPDX-License-Identifier: MIT */
/*
 * An echo server like liburing's examples/echo-server: multishot accept and receive, 256 provided
 * buffers of 4 KiB, a queue of 64 requests, each buffer sent as it comes and given back when it was
 * sent.
 *
 * Its faults are kept, because people start from that code. It sets no TCP_NODELAY and takes no
 * descriptor above 1023. The rest of a short send is lost. Several sends of one connection are in
 * flight at once, and may overtake each other when the client reads slowly. The client's end closes
 * the connection before all bytes are sent.
 *
 * usage: liburing-echo ADDRESS PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEPTH       64
#define COMPLETIONS (DEPTH * 8)
#define BYTES       4096
#define BUFFERS     256
#define CONNS_MAX   1024
#define BACKLOG     1024

enum { ACCEPT, RECEIVE, SEND };

static struct io_uring ring;
static struct io_uring_buf_ring *pool;
static char memory[BUFFERS][BYTES];
static bool is_open[CONNS_MAX], waits_for_buffer[CONNS_MAX];
static int listen_fd;

static void die(const char *what, int code)
{
	fprintf(stderr, "liburing-echo: %s: %s\n", what, strerror(code));
	exit(1);
}

static struct io_uring_sqe *next_request(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	if (sqe == NULL) {
		io_uring_submit(&ring);
		sqe = io_uring_get_sqe(&ring);
	}
	if (sqe == NULL)
		die("no room for a request", EBUSY);
	return sqe;
}

/* Sets the request's tag: 16 bits each of descriptor, buffer and kind. */
static void name(struct io_uring_sqe *sqe, int kind, int buffer, int fd)
{
	io_uring_sqe_set_data64(sqe, (uint64_t)kind << 32 | (uint64_t)buffer << 16 | (uint64_t)fd);
}

static void ask_for_clients(void)
{
	struct io_uring_sqe *sqe = next_request();
	io_uring_prep_multishot_accept(sqe, listen_fd, NULL, NULL, 0);
	name(sqe, ACCEPT, 0, listen_fd);
}

static void ask_for_bytes(int fd)
{
	struct io_uring_sqe *sqe = next_request();
	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	name(sqe, RECEIVE, 0, fd);
}

static void answer(int fd, int buffer, int size)
{
	struct io_uring_sqe *sqe = next_request();
	io_uring_prep_send(sqe, fd, memory[buffer], (size_t)size, 0);
	name(sqe, SEND, buffer, fd);
}

static void give_back(int buffer)
{
	io_uring_buf_ring_add(pool, memory[buffer], BYTES, (unsigned short)buffer,
			      io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(pool, 1);
}

static void hang_up(int fd)
{
	is_open[fd] = waits_for_buffer[fd] = false;
	close(fd);
}

static void accepted(const struct io_uring_cqe *cqe)
{
	if (!(cqe->flags & IORING_CQE_F_MORE))
		ask_for_clients();
	if (cqe->res < 0) {
		fprintf(stderr, "liburing-echo: accept: %s\n", strerror(-cqe->res));
	} else if (cqe->res >= CONNS_MAX) {
		close(cqe->res);
	} else {
		is_open[cqe->res] = true;
		ask_for_bytes(cqe->res);
	}
}

static void received(const struct io_uring_cqe *cqe, int fd)
{
	if (cqe->res == -ENOBUFS) {
		waits_for_buffer[fd] = true;
	} else if (cqe->res <= 0) {
		hang_up(fd);
	} else {
		answer(fd, (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT), cqe->res);
		if (!(cqe->flags & IORING_CQE_F_MORE))
			waits_for_buffer[fd] = true;
	}
}

static void sent(const struct io_uring_cqe *cqe, int buffer, int fd)
{
	give_back(buffer);
	if (cqe->res < 0) {
		hang_up(fd);
	} else if (is_open[fd] && waits_for_buffer[fd]) {
		waits_for_buffer[fd] = false;
		ask_for_bytes(fd);
	}
}

static void complete(const struct io_uring_cqe *cqe)
{
	int fd = cqe->user_data & 0xffff, buffer = cqe->user_data >> 16 & 0xffff;
	switch (cqe->user_data >> 32) {
	case ACCEPT:
		accepted(cqe);
		break;
	case RECEIVE:
		received(cqe, fd);
		break;
	default:
		sent(cqe, buffer, fd);
	}
}

static void set_up(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
			 IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		.cq_entries = COMPLETIONS,
	};
	int rc = io_uring_queue_init_params(DEPTH, &ring, &params);
	if (rc < 0)
		die("io_uring_setup", -rc);
	pool = aligned_alloc(4096, BUFFERS * sizeof(struct io_uring_buf));
	struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t)pool, .ring_entries = BUFFERS };
	rc = io_uring_register_buf_ring(&ring, &reg, 0);
	if (rc < 0)
		die("buffers", -rc);
	io_uring_buf_ring_init(pool);
	for (int i = 0; i < BUFFERS; i++)
		give_back(i);
}

static void listen_at(const char *address, const char *port)
{
	static const int on = 1;
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (inet_pton(AF_INET, address, &here.sin_addr) != 1 ||
	    bind(listen_fd, (struct sockaddr *)&here, sizeof(here)) < 0 ||
	    listen(listen_fd, BACKLOG) < 0)
		die("listen", errno);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: liburing-echo ADDRESS PORT\n");
		return 2;
	}
	listen_at(argv[1], argv[2]);
	set_up();
	ask_for_clients();
	for (;;) {
		int rc = io_uring_submit_and_wait(&ring, 1);
		if (rc < 0 && rc != -EINTR)
			die("wait", -rc);
		struct io_uring_cqe *cqe;
		unsigned head, n = 0;
		io_uring_for_each_cqe(&ring, head, cqe)
		{
			complete(cqe);
			n++;
		}
		io_uring_cq_advance(&ring, n);
	}
}
