/* SPDX-License-Identifier: MIT */
#include "client/check/check_server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/connect.h"
#include "net/io.h"
#include "net/sysinfo.h"

static const char placeholder[] = "{port}";

/* Returns whether a port of 127.0.0.1 is free now. */
static bool is_port_free(uint16_t port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_free = fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
	io_close(&fd);
	return is_free;
}

/* Ports from here on need no rights. */
#define FIRST_PORT 10000

/* Finds a free port below those that the kernel gives to clients. Returns 0 if none was found. */
static uint16_t choose_port(void)
{
	unsigned int end = sysinfo_ephemeral_ports().first;
	unsigned int n = end > FIRST_PORT ? end - FIRST_PORT : UINT16_MAX - FIRST_PORT;
	unsigned int start = (unsigned int)(clock_now_ns() / 1000 % n);
	for (unsigned int i = 0; i < n; i++) {
		uint16_t port = (uint16_t)(FIRST_PORT + (start + i) % n);
		if (is_port_free(port))
			return port;
	}
	return 0;
}

/* Returns the command with the port in each place; the caller frees it. NULL: no memory. */
static char *insert_port(const char *command, unsigned int port)
{
	char *words = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&words, &n);
	if (out == NULL)
		return NULL;
	for (const char *at; (at = strstr(command, placeholder)) != NULL;
	     command = at + sizeof(placeholder) - 1) {
		fwrite(command, 1, (size_t)(at - command), out);
		fprintf(out, "%u", port);
	}
	fputs(command, out);
	if (fclose(out) == 0)
		return words;
	free(words);
	return NULL;
}

int check_server_open(const char *command, struct check_server *ret_server)
{
	*ret_server = (struct check_server){ .run.guard_pipe = -1 };
	if (strstr(command, placeholder) == NULL)
		return -EINVAL;
	uint16_t port = choose_port();
	if (port == 0)
		return -EADDRINUSE;
	ret_server->addr.len = sizeof(ret_server->addr.v4);
	ret_server->addr.v4 = (struct sockaddr_in){ .sin_family = AF_INET,
						    .sin_port = htons(port),
						    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	ret_server->words = insert_port(command, port);
	return ret_server->words != NULL ? command_start(ret_server->words, &ret_server->run)
					 : -ENOMEM;
}

void check_server_close(struct check_server *server)
{
	command_end(&server->run);
	free(server->words);
	server->words = NULL;
}

int check_server_restart(struct check_server *server)
{
	command_end(&server->run);
	return command_start(server->words, &server->run);
}

#define AWAIT_STEP_NS (10 * CLOCK_NS_PER_MS)

/* Returns 0 if a connection can be made now. */
MUST_USE static int try_connect(const struct addr *addr, uint64_t deadline_ns)
{
	int fd = connect_begin_with(addr, &(struct connect_options){ 0 });
	struct pollfd connecting = { .fd = fd, .events = POLLOUT };
	if (fd < 0)
		return fd;
	int ready = io_wait(&connecting, 1, deadline_ns);
	int rc = ready > 0 ? connect_outcome(fd) : -ETIMEDOUT;
	io_close(&fd);
	return rc;
}

int check_server_await(struct check_server *server, int wake_fd, uint64_t deadline_ns)
{
	struct pollfd wake = { .fd = wake_fd, .events = POLLIN };
	for (;;) {
		if (try_connect(&server->addr, deadline_ns) == 0)
			return 0;
		if (command_has_ended(&server->run))
			return -ECHILD;
		if (clock_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		if (io_wait(&wake, 1, clock_deadline_ns(AWAIT_STEP_NS)) != 0)
			return -EINTR;
	}
}
