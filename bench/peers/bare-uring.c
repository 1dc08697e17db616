/* SPDX-License-Identifier: MIT */
/*
 * The minimum that a good echo server with io_uring can do, through liburing: one thread, multishot
 * accept and receive, a ring of provided buffers, completions run only when the thread waits for
 * them (DEFER_TASKRUN), TCP_NODELAY. Each connection has one send in flight; bytes that come
 * meanwhile wait in their buffers. No limits, no log, no statistics: our engine is compared with
 * it.
 *
 * A client that does not read is not held back: it takes all the buffers there are, and then every
 * other client waits too. A bare loop has this fault.
 *
 * usage: bare-uring [-s] [-b BYTES] [-n COUNT] ADDRESS PORT
 *        -s: never sleep    -b, -n: size and number (a power of two) of the buffers
 */
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUE       4096
#define SUBMISSIONS 4096
#define COMPLETIONS 16384
#define BUFFERS_MAX 32768 /* the kernel's limit */
#define DESCRIPTORS (1 << 20)
#define NONE        (-1)

enum what { ACCEPT, RECEIVE, SEND, CLOSE };

/* A descriptor identifies a connection. It is closed only when no request on it is left, so a
 * reused descriptor has nothing of the former connection. */
struct conn {
	int first, last;  /* buffers to be sent, in order; NONE */
	int next_starved; /* in the list of connections whose receive found no buffer */
	bool is_receiving, is_starved, has_ended, is_broken;
};

struct buffer {
	int next;
	unsigned size, sent;
};

static struct io_uring ring;
static struct io_uring_buf_ring *free_buffers;
static struct conn conns[DESCRIPTORS];
static struct buffer buffers[BUFFERS_MAX];
static char *memory;
static unsigned buffer_size = 16384, n_buffers = 1024;
static unsigned n_taken;
static int first_starved = NONE, last_starved = NONE;

static void die(const char *what, int code)
{
	fprintf(stderr, "bare-uring: %s: %s\n", what, strerror(code));
	exit(1);
}

/* ---- requests ---- */

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

/*
 * Sets the user data of a request. Call it after the request is prepared, because that may clear
 * it.
 */
static void mark(struct io_uring_sqe *sqe, enum what what, int fd)
{
	io_uring_sqe_set_data64(sqe, (uint64_t)fd << 2 | what);
}

static void start_accepting(int fd)
{
	struct io_uring_sqe *sqe = next_request();
	io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
	mark(sqe, ACCEPT, fd);
}

static void start_receiving(int fd)
{
	struct io_uring_sqe *sqe = next_request();
	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 0;
	mark(sqe, RECEIVE, fd);
	conns[fd].is_receiving = true;
}

static char *bytes_of(int buffer)
{
	return memory + (size_t)buffer * buffer_size;
}

static void start_sending(int fd)
{
	int number = conns[fd].first;
	struct buffer *buffer = &buffers[number];
	struct io_uring_sqe *sqe = next_request();
	/* MSG_WAITALL: the kernel continues after a short send. */
	io_uring_prep_send(sqe, fd, bytes_of(number) + buffer->sent, buffer->size - buffer->sent,
			   MSG_NOSIGNAL | MSG_WAITALL);
	mark(sqe, SEND, fd);
}

/* Closes the connection if no request is in flight any more. */
static void close_if_over(int fd)
{
	struct conn *c = &conns[fd];
	if (c->first != NONE || c->is_receiving || c->is_starved || !(c->has_ended || c->is_broken))
		return;
	struct io_uring_sqe *sqe = next_request();
	io_uring_prep_close(sqe, fd);
	mark(sqe, CLOSE, fd);
}

/* ---- buffers ---- */

static void starve(int fd)
{
	conns[fd].is_starved = true;
	conns[fd].next_starved = NONE;
	if (first_starved == NONE)
		first_starved = fd;
	else
		conns[last_starved].next_starved = fd;
	last_starved = fd;
}

static void give_back(int number)
{
	io_uring_buf_ring_add(free_buffers, bytes_of(number), buffer_size, number,
			      io_uring_buf_ring_mask(n_buffers), 0);
	io_uring_buf_ring_advance(free_buffers, 1);
	n_taken--;
	if (first_starved != NONE) {
		int fd = first_starved;
		first_starved = conns[fd].next_starved;
		conns[fd].is_starved = false;
		start_receiving(fd);
	}
}

static void drop_first(struct conn *c)
{
	int number = c->first;
	c->first = buffers[number].next;
	give_back(number);
}

/* ---- completions ---- */

static void accepted(const struct io_uring_cqe *cqe, int listen_fd)
{
	if (!(cqe->flags & IORING_CQE_F_MORE))
		start_accepting(listen_fd);
	if (cqe->res < 0)
		return;
	conns[cqe->res] = (struct conn){ .first = NONE };
	start_receiving(cqe->res);
}

static void received_bytes(const struct io_uring_cqe *cqe, int fd)
{
	struct conn *c = &conns[fd];
	int number = (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
	n_taken++;
	if (c->is_broken) {
		give_back(number);
		return;
	}
	buffers[number] = (struct buffer){ .next = NONE, .size = (unsigned)cqe->res };
	if (c->first == NONE) {
		c->first = c->last = number;
		start_sending(fd);
	} else {
		buffers[c->last].next = number;
		c->last = number;
	}
}

static void received(const struct io_uring_cqe *cqe, int fd)
{
	struct conn *c = &conns[fd];
	bool more = cqe->flags & IORING_CQE_F_MORE;
	if (!more)
		c->is_receiving = false;
	if (cqe->res > 0)
		received_bytes(cqe, fd);
	else if (cqe->res == 0)
		c->has_ended = true;
	else if (cqe->res != -ENOBUFS)
		c->is_broken = true;
	if (!more && !c->has_ended && !c->is_broken) {
		if (n_taken == n_buffers)
			starve(fd);
		else
			start_receiving(fd);
	}
	close_if_over(fd);
}

static void sent(const struct io_uring_cqe *cqe, int fd)
{
	struct conn *c = &conns[fd];
	struct buffer *buffer = &buffers[c->first];
	if (cqe->res < 0) {
		c->is_broken = true;
		shutdown(fd, SHUT_RDWR); /* ends the receive */
		while (c->first != NONE)
			drop_first(c);
	} else {
		buffer->sent += (unsigned)cqe->res;
		if (buffer->sent == buffer->size)
			drop_first(c);
		if (c->first != NONE)
			start_sending(fd);
	}
	close_if_over(fd);
}

static void complete(const struct io_uring_cqe *cqe)
{
	int fd = (int)(cqe->user_data >> 2);
	switch ((enum what)(cqe->user_data & 3)) {
	case ACCEPT:
		accepted(cqe, fd);
		break;
	case RECEIVE:
		received(cqe, fd);
		break;
	case SEND:
		sent(cqe, fd);
		break;
	case CLOSE:
		break;
	}
}

/* ---- the whole ---- */

static void set_up(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_CQSIZE,
		.cq_entries = COMPLETIONS,
	};
	int rc = io_uring_queue_init_params(SUBMISSIONS, &ring, &params);
	if (rc < 0)
		die("io_uring_setup", -rc);
	io_uring_register_ring_fd(&ring);

	size_t size = n_buffers * sizeof(struct io_uring_buf);
	free_buffers = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memory = mmap(NULL, (size_t)n_buffers * buffer_size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (free_buffers == MAP_FAILED || memory == MAP_FAILED)
		die("mmap", errno);
	struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t)free_buffers,
					.ring_entries = n_buffers };
	rc = io_uring_register_buf_ring(&ring, &reg, 0);
	if (rc < 0)
		die("buffers", -rc);
	io_uring_buf_ring_init(free_buffers);
	for (unsigned i = 0; i < n_buffers; i++)
		io_uring_buf_ring_add(free_buffers, bytes_of((int)i), buffer_size,
				      (unsigned short)i, io_uring_buf_ring_mask(n_buffers), (int)i);
	io_uring_buf_ring_advance(free_buffers, (int)n_buffers);
}

static int listen_at(const char *address, const char *port)
{
	static const int on = 1;
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || inet_pton(AF_INET, address, &name.sin_addr) != 1)
		die("socket", errno);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Accepted sockets inherit it. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0 || listen(fd, QUEUE) < 0)
		die("listen", errno);
	return fd;
}

static void serve(bool spins)
{
	for (;;) {
		if (spins)
			io_uring_submit_and_get_events(&ring);
		else
			io_uring_submit_and_wait(&ring, 1);
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

static void usage(void)
{
	fprintf(stderr, "usage: bare-uring [-s] [-b BYTES] [-n COUNT] ADDRESS PORT\n");
	exit(2);
}

int main(int argc, char **argv)
{
	bool spins = false;
	int option;
	while ((option = getopt(argc, argv, "sb:n:")) != -1) {
		if (option == 's')
			spins = true;
		else if (option == 'b')
			buffer_size = (unsigned)atoi(optarg);
		else if (option == 'n')
			n_buffers = (unsigned)atoi(optarg);
		else
			usage();
	}
	if (argc - optind != 2 || buffer_size == 0 || n_buffers == 0 || n_buffers > BUFFERS_MAX ||
	    (n_buffers & (n_buffers - 1)) != 0)
		usage();
	int fd = listen_at(argv[optind], argv[optind + 1]);
	set_up();
	start_accepting(fd);
	serve(spins);
}
