/* SPDX-License-Identifier: MIT */
/*
 * An echo server like the one in libevent's book ("Connection listeners"): a bufferevent for each
 * client, whose input is moved to its output as it comes; freed at the client's end.
 *
 * Its faults are kept, because people start from that code: no TCP_NODELAY; no watermark, so the
 * output of a client that does not read grows without end; and bufferevent_free at the client's end
 * drops what is still to be sent.
 *
 * usage: libevent-echo ADDRESS PORT
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>

static void has_read(struct bufferevent *client, void *context)
{
	(void)context;
	evbuffer_add_buffer(bufferevent_get_output(client), bufferevent_get_input(client));
}

static void happened(struct bufferevent *client, short events, void *context)
{
	(void)context;
	if (events & BEV_EVENT_ERROR)
		perror("bufferevent");
	if (events & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		bufferevent_free(client);
}

static void connected(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer,
		      int size, void *context)
{
	(void)peer, (void)size, (void)context;
	struct event_base *base = evconnlistener_get_base(listener);
	struct bufferevent *client = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(client, has_read, NULL, happened, NULL);
	bufferevent_enable(client, EV_READ | EV_WRITE);
}

static void accept_failed(struct evconnlistener *listener, void *context)
{
	(void)context;
	perror("accept");
	event_base_loopexit(evconnlistener_get_base(listener), NULL);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: libevent-echo ADDRESS PORT\n");
		return 2;
	}
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[2])) };
	inet_pton(AF_INET, argv[1], &name.sin_addr);
	struct event_base *base = event_base_new();
	struct evconnlistener *listener = evconnlistener_new_bind(
		base, connected, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, -1,
		(struct sockaddr *)&name, sizeof(name));
	if (listener == NULL) {
		perror("listen");
		return 1;
	}
	evconnlistener_set_error_cb(listener, accept_failed);
	return event_base_dispatch(base);
}
