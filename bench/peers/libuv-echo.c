/* SPDX-License-Identifier: MIT */
/*
 * An echo server like the one in libuv's user guide ("Networking", TCP): a heap buffer for each
 * read, a write request with its own buffer for each of them, uv_close at the end.
 *
 * Its faults are kept, because people start from that code. It sets no TCP_NODELAY (libuv's
 * default) and has a backlog of 128. It goes on reading whether or not the client reads. At the
 * client's end, uv_close cancels the writes that still wait.
 *
 * usage: libuv-echo ADDRESS PORT
 */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#define BACKLOG 128

/* The request comes first, so that a pointer to it is also a pointer to the struct. */
struct answer {
	uv_write_t request;
	uv_buf_t bytes;
};

static void freed(uv_handle_t *handle)
{
	free(handle);
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
	(void)handle;
	*ret_buffer = uv_buf_init(malloc(suggested), (unsigned)suggested);
}

static void written(uv_write_t *request, int status)
{
	struct answer *answer = (struct answer *)request;
	if (status < 0)
		fprintf(stderr, "write: %s\n", uv_strerror(status));
	free(answer->bytes.base);
	free(answer);
}

static void has_read(uv_stream_t *client, ssize_t n, const uv_buf_t *buffer)
{
	if (n > 0) {
		struct answer *answer = malloc(sizeof(*answer));
		answer->bytes = uv_buf_init(buffer->base, (unsigned)n);
		uv_write(&answer->request, client, &answer->bytes, 1, written);
		return;
	}
	if (n < 0) {
		if (n != UV_EOF)
			fprintf(stderr, "read: %s\n", uv_strerror((int)n));
		uv_close((uv_handle_t *)client, freed);
	}
	free(buffer->base);
}

static void connected(uv_stream_t *server, int status)
{
	if (status < 0) {
		fprintf(stderr, "connection: %s\n", uv_strerror(status));
		return;
	}
	uv_tcp_t *client = malloc(sizeof(*client));
	uv_tcp_init(server->loop, client);
	if (uv_accept(server, (uv_stream_t *)client) == 0)
		uv_read_start((uv_stream_t *)client, give_buffer, has_read);
	else
		uv_close((uv_handle_t *)client, freed);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: libuv-echo ADDRESS PORT\n");
		return 2;
	}
	uv_tcp_t server;
	struct sockaddr_in name;
	uv_tcp_init(uv_default_loop(), &server);
	uv_ip4_addr(argv[1], atoi(argv[2]), &name);
	uv_tcp_bind(&server, (const struct sockaddr *)&name, 0);
	int rc = uv_listen((uv_stream_t *)&server, BACKLOG, connected);
	if (rc < 0) {
		fprintf(stderr, "listen: %s\n", uv_strerror(rc));
		return 1;
	}
	return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
