/* SPDX-License-Identifier: MIT */
#include "server/workers/dispatch.h"

#include <errno.h>

#include "net/io.h"
#include "net/pass_fd.h"

int dispatch_open(struct dispatch *ret_dispatch, const struct client_table *clients)
{
	int sender_fd, receiver_fd;
	int rc = pass_fd_open(&sender_fd, &receiver_fd);
	if (rc == 0)
		*ret_dispatch = (struct dispatch){
			.sender_fd = sender_fd,
			.receiver_fd = receiver_fd,
			.clients = clients,
		};
	return rc;
}

void dispatch_close(struct dispatch *dispatch)
{
	io_close(&dispatch->sender_fd);
	io_close(&dispatch->receiver_fd);
}

int dispatch_send(struct dispatch *dispatch, struct client *client)
{
	const struct dispatch_message message = {
		.ticket = client_table_ticket(dispatch->clients, client),
		.peer = client->peer,
	};
	int rc = pass_fd_send(dispatch->sender_fd, &message, sizeof(message), client->fd);
	if (rc == 0)
		io_close(&client->fd); /* the channel has a copy: no FIN is sent */
	dispatch->is_full = rc == -EAGAIN;
	return rc == -EAGAIN ? -EBUSY : rc;
}

void dispatch_replace_listeners(struct dispatch *dispatch, struct listeners *listeners)
{
	io_close(&dispatch->sender_fd);
	listeners_close(listeners);
	*listeners = (struct listeners){
		.list = { { .fd = dispatch->receiver_fd, .is_dispatch = true } },
		.n = 1,
	};
}

enum accept_verdict dispatch_receive(int receiver_fd, struct dispatch_message *ret_message,
				     int *ret_fd, int *reterr_code)
{
	ret_message->ticket = 0;
	int rc = pass_fd_receive(receiver_fd, ret_message, sizeof(*ret_message), ret_fd);
	*reterr_code = rc;
	return accept_judge(rc);
}
