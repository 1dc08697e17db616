/* SPDX-License-Identifier: MIT */
#include "server/ready.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/units.h"
#include "net/activation.h"
#include "net/io.h"
#include "server/engine.h"

static void announce(const char *addr, const struct server *server, const char *why)
{
	const char *engine = server->engine->name;
	uint32_t max_clients = server->max_clients;
	if (!log_is_json()) {
		log_notice("listening on %s (engine %s%s, at most %s)", addr, engine, why,
			   units_count(max_clients, "client").text);
		return;
	}
	struct log_record record;
	log_record_begin(&record, "listening");
	log_record_text(&record, "address", addr);
	log_record_text(&record, "engine", engine);
	log_record_count(&record, "max_clients", max_clients);
	if (*why != '\0')
		log_record_text(&record, "chosen", why + strlen(", "));
	log_record_end(&record);
}

void ready_announce(const struct server *server, const char *why)
{
	for (size_t i = 0; i < server->listeners.n; i++)
		announce(addr_format(&server->listeners.list[i].addr).text, server, why);
}

enum status ready_tell(struct server *server)
{
	struct ready_lines *ready = &server->ready;
	const struct listeners *listeners = &server->listeners;
	int fd = ready->writer.fd;
	for (size_t i = 0; i < listeners->n; i++)
		ready->size += (size_t)snprintf(ready->text + ready->size,
						sizeof(ready->text) - ready->size, "%s\n",
						addr_format(&listeners->list[i].addr).text);
	int rc = server_write_ready(server);
	if (rc == 0 || rc == -EAGAIN)
		return STATUS_OK;
	log_error("cannot write to --ready-fd %d: %s", fd, err_text(rc).text);
	return STATUS_MACHINE;
}

enum status ready_open(int fd, int n_passed, struct writer *ret_writer)
{
	if (fd < 0)
		return STATUS_OK;
	if (fd >= ACTIVATION_FIRST_FD && fd < ACTIVATION_FIRST_FD + n_passed) {
		log_error("cannot write to --ready-fd %d: it is a socket that was passed in "
			  "(LISTEN_FDS=%d)",
			  fd, n_passed);
		return STATUS_USAGE;
	}
	int rc = io_check_writable(fd);
	if (rc == 0) {
		writer_open(fd, WRITER_LOCAL_FILES, ret_writer);
		return STATUS_OK;
	}
	log_error("cannot write to --ready-fd %d: %s", fd,
		  rc == -EBADF ? "it is not open" : "it is open for reading only");
	return STATUS_USAGE;
}
