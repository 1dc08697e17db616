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
#include "net/listen_all.h"

#define PATH "/metrics"

#define EDGES (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

/* Close the connection after this many receives. */
#define RECEIVES_MAX 32

/* No client is accepted for this time after a resource shortage. */
#define SHORT_NS CLOCK_NS_PER_S

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

int metrics_server_open(struct metrics_server *page, const struct addr_spec *spec,
			struct poller *poller, uint64_t first_tag)
{
	page->poller = poller;
	page->first_tag = first_tag;
	for (int i = 0; i < METRICS_CLIENTS_MAX; i++)
		page->clients[i].fd = -1;
	int n = listen_on(spec, page->listen_fds);
	if (n < 0)
		return n;
	page->n_listeners = n;
	int rc = 0;
	for (int i = 0; i < n && rc == 0; i++) {
		rc = addr_of_socket(page->listen_fds[i], &page->addrs[i]);
		if (rc == 0)
			rc = poller_add(poller, page->listen_fds[i], EPOLLIN,
					first_tag + (uint64_t)i);
	}
	page->path = listen_path_of(&page->addrs[0]);
	if (rc < 0)
		metrics_server_close(page);
	return rc;
}

void metrics_server_close(struct metrics_server *page)
{
	for (int i = 0; i < METRICS_CLIENTS_MAX; i++)
		io_close(&page->clients[i].fd);
	/* Before closing: another server may take over a path on which no process listens. */
	int rc = page->n_listeners > 0 ? listen_remove_path(&page->addrs[0], page->path) : 0;
	if (rc < 0)
		log_warning("cannot remove %s: %s (the next start takes its place)",
			    addr_format(&page->addrs[0]).text, err_text(rc).text);
	while (page->n_listeners > 0)
		io_close(&page->listen_fds[--page->n_listeners]);
}

/* ---- one client ---- */

static const char *explanation(enum http_answer answer)
{
	return answer == HTTP_NOT_FOUND ? "the figures are at " PATH "\n" : "write GET " PATH "\n";
}

static void write_answer(struct metrics_client *client, enum http_answer answer,
			 const struct disconnects *disconnects)
{
	static char body[METRICS_ANSWER_SIZE]; /* too large for a stack */
	bool is_page = answer == HTTP_PAGE || answer == HTTP_PAGE_HEAD;
	size_t n = is_page ? prometheus_render(disconnects, body, sizeof(body) - HTTP_HEAD_MAX)
			   : (size_t)snprintf(body, sizeof(body), "%s", explanation(answer));
	int written = snprintf(client->answer, sizeof(client->answer),
			       "HTTP/1.1 %s\r\n"
			       "Content-Type: text/plain%s; charset=utf-8\r\n"
			       "Content-Length: %zu\r\n%s"
			       "Connection: close\r\n\r\n%s",
			       http_status(answer), is_page ? "; version=0.0.4" : "", n,
			       answer == HTTP_NOT_MEANT ? "Allow: GET, HEAD\r\n" : "",
			       answer == HTTP_PAGE_HEAD ? "" : body);
	client->n_answer = (size_t)written;
}

static void send_answer(struct metrics_client *client)
{
	while (client->n_sent < client->n_answer) {
		ssize_t n = io_send(client->fd, client->answer + client->n_sent,
				    client->n_answer - client->n_sent);
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			io_close(&client->fd);
			return;
		}
		client->n_sent += (size_t)n;
	}
	if (client->n_answer == 0 || client->is_answered)
		return;
	client->is_answered = true;
	if (io_send_end(client->fd) < 0)
		io_close(&client->fd);
}

/* Receives until the request is complete, then writes the answer. Closes if it ends before. */
static void receive_request(struct metrics_client *client, const struct disconnects *disconnects)
{
	while (client->n_answer == 0) {
		ssize_t n = io_recv(client->fd, client->request + client->n_request,
				    sizeof(client->request) - client->n_request);
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			io_close(&client->fd);
			return;
		}
		client->n_request += (size_t)n;
		enum http_answer answer = http_judge(client->request, client->n_request, PATH);
		if (answer != HTTP_MORE)
			write_answer(client, answer, disconnects);
	}
}

/* Discards data after the request until the client closes; then closes the socket. */
static void wait_for_end(struct metrics_client *client)
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
static void serve(struct metrics_client *client, const struct disconnects *disconnects)
{
	receive_request(client, disconnects);
	if (client->fd >= 0)
		send_answer(client);
	if (client->fd >= 0 && client->is_answered)
		wait_for_end(client);
}

/* ---- all clients ---- */

/* Returns a free slot, or that of the oldest client. */
static struct metrics_client *place_of_next(struct metrics_server *page)
{
	struct metrics_client *longest = &page->clients[0];
	for (int i = 0; i < METRICS_CLIENTS_MAX; i++) {
		struct metrics_client *client = &page->clients[i];
		if (client->fd < 0)
			return client;
		if (client->serial < longest->serial)
			longest = client;
	}
	return longest;
}

static void let_in(struct metrics_server *page, int fd, const struct disconnects *disconnects)
{
	struct metrics_client *client = place_of_next(page);
	io_close(&client->fd);
	client->fd = fd;
	client->serial = page->n_clients++;
	client->is_answered = false;
	client->n_request = client->n_answer = client->n_sent = 0;
	uint64_t tag = page->first_tag + ADDR_MAX_RESOLVED + (uint64_t)(client - page->clients);
	if (poller_add(page->poller, fd, EDGES, tag) < 0)
		io_close(&client->fd);
	else
		serve(client, disconnects);
}

/* Sets the events of the listening sockets. Returns 0 or a negative code. */
MUST_USE static int watch_listeners(struct metrics_server *page, uint32_t events)
{
	int rc = 0;
	for (int i = 0; i < page->n_listeners && rc == 0; i++)
		rc = poller_change(page->poller, page->listen_fds[i], events,
				   page->first_tag + (uint64_t)i);
	return rc;
}

static void pause_for_a_while(struct metrics_server *page)
{
	if (watch_listeners(page, 0) == 0)
		page->resumes_ns = clock_deadline_ns(SHORT_NS);
}

void metrics_server_resume(struct metrics_server *page)
{
	page->resumes_ns = 0;
	if (watch_listeners(page, EPOLLIN) < 0)
		page->resumes_ns = clock_deadline_ns(SHORT_NS);
}

void metrics_server_event(struct metrics_server *page, uint64_t tag,
			  const struct disconnects *disconnects)
{
	uint64_t number = tag - page->first_tag;
	if (number >= ADDR_MAX_RESOLVED) {
		struct metrics_client *client = &page->clients[number - ADDR_MAX_RESOLVED];
		if (client->fd >= 0)
			serve(client, disconnects);
		return;
	}
	int fd, code;
	struct addr peer;
	enum accept_verdict verdict = accept_client(page->listen_fds[number], &fd, &peer, &code);
	if (verdict == ACCEPT_GOT)
		let_in(page, fd, disconnects);
	else if (verdict == ACCEPT_PAUSE || verdict == ACCEPT_LOST)
		pause_for_a_while(page);
}
