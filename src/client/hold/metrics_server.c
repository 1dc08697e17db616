/* SPDX-License-Identifier: MIT */
/*
 * The happy path: a client is accepted, its request is read, the page is rendered and sent, and our
 * FIN follows. When the client has closed too, its slot is free.
 *
 * What else can happen: the client requests something else and gets an error response. It never
 * completes its request, never reads or never closes: a later client then takes its slot. It resets
 * the connection.
 */
#include "client/hold/metrics_server.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "client/hold/prometheus.h"
#include "net/accept.h"
#include "net/io.h"
#include "net/listen.h"

#define PATH "/metrics"

#define EDGES (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

/* Close the connection after this many receives. */
#define RECEIVES_MAX 32

/* No client is accepted for this time after a resource shortage. */
#define PAUSE_NS CLOCK_NS_PER_S

/* ---- listening ---- */

/*
 * Listens on all addresses of a name, on one port. Writes the descriptors and returns their number,
 * or a negative code.
 */
MUST_USE static int listen_on(const struct addr_spec *spec, int ret_fds[ADDR_MAX_RESOLVED])
{
	struct addr list[ADDR_MAX_RESOLVED];
	int n = spec->kind == ADDR_WILDCARD ? 0 : addr_resolve(spec, AF_UNSPEC, list);
	return n < 0 ? n : listen_open_all(spec, list, n, ret_fds);
}

int metrics_server_open(struct metrics_server *server, const struct addr_spec *spec,
			struct poller *poller, uint64_t first_tag)
{
	server->poller = poller;
	server->first_tag = first_tag;
	for (int i = 0; i < METRICS_CLIENTS_MAX; i++)
		server->clients[i].fd = -1;
	int n = listen_on(spec, server->listen_fds);
	if (n < 0)
		return n;
	server->n_listeners = n;
	int rc = 0;
	for (int i = 0; i < n && rc == 0; i++) {
		rc = addr_of_socket(server->listen_fds[i], &server->addrs[i]);
		if (rc == 0)
			rc = poller_add(poller, server->listen_fds[i], EPOLLIN,
					first_tag + (uint64_t)i);
	}
	server->path = listen_path_of(&server->addrs[0]);
	if (rc < 0)
		metrics_server_close(server);
	return rc;
}

void metrics_server_close(struct metrics_server *server)
{
	for (int i = 0; i < METRICS_CLIENTS_MAX; i++)
		io_close(&server->clients[i].fd);
	/* Before closing: another server may take over a path on which no process listens. */
	int rc = server->n_listeners > 0 ? listen_remove_path(&server->addrs[0], server->path) : 0;
	if (rc < 0)
		log_warning("cannot remove %s: %s (the next start takes its place)",
			    addr_format(&server->addrs[0]).text, err_text(rc).text);
	while (server->n_listeners > 0)
		io_close(&server->listen_fds[--server->n_listeners]);
}

/* ---- one client ---- */

static const char *error_body(enum http_response response)
{
	return response == HTTP_NOT_FOUND ? "the figures are at " PATH "\n"
					  : "write GET " PATH "\n";
}

static void write_response(struct metrics_client *client, enum http_response response,
			   const struct disconnects *disconnects)
{
	static char body[METRICS_RESPONSE_SIZE]; /* too large for a stack */
	bool is_page = response == HTTP_PAGE || response == HTTP_PAGE_HEAD;
	size_t n = is_page ? prometheus_render(disconnects, body, sizeof(body) - HTTP_HEAD_MAX)
			   : (size_t)snprintf(body, sizeof(body), "%s", error_body(response));
	int written = snprintf(client->response, sizeof(client->response),
			       "HTTP/1.1 %s\r\n"
			       "Content-Type: text/plain%s; charset=utf-8\r\n"
			       "Content-Length: %zu\r\n%s"
			       "Connection: close\r\n\r\n%s",
			       http_status(response), is_page ? "; version=0.0.4" : "", n,
			       response == HTTP_BAD_METHOD ? "Allow: GET, HEAD\r\n" : "",
			       response == HTTP_PAGE_HEAD ? "" : body);
	client->response_size = (size_t)written;
}

static void send_response(struct metrics_client *client)
{
	while (client->n_sent < client->response_size) {
		ssize_t n = io_send(client->fd, client->response + client->n_sent,
				    client->response_size - client->n_sent);
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			io_close(&client->fd);
			return;
		}
		client->n_sent += (size_t)n;
	}
	if (client->response_size == 0 || client->is_sent)
		return;
	client->is_sent = true;
	if (io_send_end(client->fd) < 0)
		io_close(&client->fd);
}

/* Receives until the request is complete, then writes the response. Closes if it ends before. */
static void receive_request(struct metrics_client *client, const struct disconnects *disconnects)
{
	while (client->response_size == 0) {
		ssize_t n = io_recv(client->fd, client->request + client->request_size,
				    sizeof(client->request) - client->request_size);
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			io_close(&client->fd);
			return;
		}
		client->request_size += (size_t)n;
		enum http_response response =
			http_choose_response(client->request, client->request_size, PATH);
		if (response != HTTP_MORE)
			write_response(client, response, disconnects);
	}
}

/* Discards data after the request until the client closes; then closes the socket. */
static void discard_rest(struct metrics_client *client)
{
	char rest[HTTP_HEAD_MAX];
	for (int i = 0; i < RECEIVES_MAX; i++) {
		ssize_t n = io_recv(client->fd, rest, sizeof(rest));
		if (n == -EAGAIN)
			return;
		if (n <= 0)
			break;
	}
	io_close(&client->fd);
}

/*
 * Does as much as possible. The client may have closed, or may not read, before all is sent: hence
 * this order.
 */
static void serve_metrics_client(struct metrics_client *client,
				 const struct disconnects *disconnects)
{
	receive_request(client, disconnects);
	if (client->fd >= 0)
		send_response(client);
	if (client->fd >= 0 && client->is_sent)
		discard_rest(client);
}

/* ---- all clients ---- */

/* Returns a free slot, or that of the oldest client. */
static struct metrics_client *choose_slot(struct metrics_server *server)
{
	struct metrics_client *oldest = &server->clients[0];
	for (int i = 0; i < METRICS_CLIENTS_MAX; i++) {
		struct metrics_client *client = &server->clients[i];
		if (client->fd < 0)
			return client;
		if (client->serial < oldest->serial)
			oldest = client;
	}
	return oldest;
}

static void add_client(struct metrics_server *server, int fd, const struct disconnects *disconnects)
{
	struct metrics_client *client = choose_slot(server);
	io_close(&client->fd);
	client->fd = fd;
	client->serial = server->n_clients++;
	client->is_sent = false;
	client->request_size = client->response_size = client->n_sent = 0;
	uint64_t tag = server->first_tag + ADDR_MAX_RESOLVED + (uint64_t)(client - server->clients);
	if (poller_add(server->poller, fd, EDGES, tag) < 0)
		io_close(&client->fd);
	else
		serve_metrics_client(client, disconnects);
}

/* Sets the events of the listening sockets. Returns 0 or a negative code. */
MUST_USE static int watch_listeners(struct metrics_server *server, uint32_t events)
{
	int rc = 0;
	for (int i = 0; i < server->n_listeners && rc == 0; i++)
		rc = poller_change(server->poller, server->listen_fds[i], events,
				   server->first_tag + (uint64_t)i);
	return rc;
}

static void pause_accepting(struct metrics_server *server)
{
	if (watch_listeners(server, 0) == 0)
		server->resumes_ns = clock_deadline_ns(PAUSE_NS);
}

void metrics_server_resume(struct metrics_server *server)
{
	server->resumes_ns = 0;
	if (watch_listeners(server, EPOLLIN) < 0)
		server->resumes_ns = clock_deadline_ns(PAUSE_NS);
}

void metrics_server_event(struct metrics_server *server, uint64_t tag,
			  const struct disconnects *disconnects)
{
	uint64_t number = tag - server->first_tag;
	if (number >= ADDR_MAX_RESOLVED) {
		struct metrics_client *client = &server->clients[number - ADDR_MAX_RESOLVED];
		if (client->fd >= 0)
			serve_metrics_client(client, disconnects);
		return;
	}
	int fd, code;
	struct addr peer;
	enum accept_verdict verdict = accept_client(server->listen_fds[number], &fd, &peer, &code);
	if (verdict == ACCEPT_GOT)
		add_client(server, fd, disconnects);
	else if (verdict == ACCEPT_PAUSE || verdict == ACCEPT_LOST)
		pause_accepting(server);
}
