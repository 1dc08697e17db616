/* SPDX-License-Identifier: MIT */
#include "server/ready.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/units.h"
#include "net/io.h"
#include "server/control.h"
#include "server/engine.h"
#include "server/faults.h"

/* Returns ", misbehaves on request: rst@1048576, seed 7"; "" without faults. */
static struct faults_text faults_of(const struct server *server, const struct addr *addr)
{
	struct faults_text faults = { "" }, list;
	if (server->config->faults == NULL)
		return faults;
	list = faults_format(server->config->faults, addr);
	snprintf(faults.text, sizeof(faults.text), ", misbehaves on request: %.400s, seed %" PRIu64,
		 list.text, server->config->faults->set.seed);
	return faults;
}

static void announce(const struct addr *listens_on, const struct server *server, const char *why)
{
	const char *engine = server->config->engine->name;
	uint32_t max_clients = server->config->max_clients;
	struct addr_text addr = addr_format(listens_on);
	if (!log_is_json()) {
		log_notice("listening on %s (engine %s%s, at most %s%s)", addr.text, engine, why,
			   units_count(max_clients, "client").text,
			   faults_of(server, listens_on).text);
		return;
	}
	struct log_record record;
	log_record_begin(&record, "listening");
	log_record_text(&record, "address", addr.text);
	log_record_text(&record, "engine", engine);
	log_record_count(&record, "max_clients", max_clients);
	if (*why != '\0')
		log_record_text(&record, "chosen", why + strlen(", "));
	if (server->config->faults != NULL) {
		log_record_text(&record, "fault",
				faults_format(server->config->faults, listens_on).text);
		log_record_count(&record, "seed", server->config->faults->set.seed);
	}
	log_record_end(&record);
}

static void announce_all(const struct server *server, const char *why)
{
	for (size_t i = 0; i < server->listeners.n; i++)
		announce(&server->listeners.list[i].addr, server, why);
}

/* ---- --ready-fd ---- */

void ready_close(struct ready_lines *ready)
{
	if (ready->writer.fd > STDERR_FILENO)
		io_close(&ready->writer.fd);
	ready->writer.fd =
		-1; /* a copier process writes the rest, if it is read before this process ends */
}

int ready_write(struct ready_lines *ready)
{
	ssize_t n = 0;
	if (ready->writer.fd < 0)
		return 0;
	while (n >= 0 && ready->from < ready->size) {
		n = writer_write(&ready->writer, ready->text + ready->from,
				 ready->size - ready->from);
		ready->from += n > 0 ? (size_t)n : 0;
	}
	if (n != -EAGAIN)
		ready_close(ready);
	return n < 0 ? (int)n : 0;
}

bool ready_is_unread(const struct ready_lines *ready)
{
	return ready->writer.fd >= 0 && ready->size > 0;
}

static enum exit_status cannot_write(int fd, int code)
{
	log_error("cannot write to --ready-fd %d: %s", fd, err_text(code).text);
	return STATUS_MACHINE;
}

/*
 * Returns whether fd is a file or a device. Only the write shows whether it can be written. The
 * reader of a pipe or a socket may read the log at once, so there the log comes first.
 */
static bool is_file(int fd)
{
	struct stat status;
	return fstat(fd, &status) == 0 && (S_ISREG(status.st_mode) || S_ISCHR(status.st_mode));
}

/* Returns 0, or -EPIPE if no process can read what is written. */
MUST_USE static int check_reader(const struct writer *writer)
{
	struct pollfd poll = writer_pollfd(writer, false);
	int rc = writer->fd >= 0 ? io_wait(&poll, 1, 0) : 0;
	return rc > 0 && (poll.revents & (POLLERR | POLLHUP)) != 0 ? -EPIPE : 0;
}

MUST_USE static enum exit_status write_addresses(struct server *server)
{
	struct ready_lines *ready = &server->control->ready;
	const struct listeners *listeners = &server->listeners;
	int fd = ready->writer.fd;
	for (size_t i = 0; fd >= 0 && i < listeners->n; i++)
		ready->size +=
			(size_t)snprintf(ready->text + ready->size, READY_TEXT_SIZE - ready->size,
					 "%s\n", addr_format(&listeners->list[i].addr).text);
	int rc = ready_write(ready);
	return rc == 0 || rc == -EAGAIN ? STATUS_OK : cannot_write(fd, rc);
}

enum exit_status ready_announce(struct server *server, const char *why)
{
	int fd = server->control->ready.writer.fd;
	int rc = check_reader(&server->control->ready.writer);
	if (rc < 0)
		return cannot_write(fd, rc);
	bool logs_first = !server->control->ready.is_file;
	if (logs_first)
		announce_all(server, why);
	enum exit_status status = write_addresses(server);
	if (status == STATUS_OK && !logs_first)
		announce_all(server, why);
	return status;
}

enum exit_status ready_open(int fd, int n_passed, struct ready_lines *ready)
{
	if (fd < 0)
		return STATUS_OK;
	if (fd >= SYSTEMD_FIRST_FD && fd < SYSTEMD_FIRST_FD + n_passed) {
		log_error("cannot write to --ready-fd %d: it is a socket that was passed in "
			  "(LISTEN_FDS=%d)",
			  fd, n_passed);
		return STATUS_USAGE;
	}
	int rc = io_check_writable(fd);
	if (rc == 0) {
		writer_open(fd, WRITER_LOCAL_FILES, &ready->writer);
		ready->is_file = is_file(fd);
		return STATUS_OK;
	}
	log_error("cannot write to --ready-fd %d: %s", fd,
		  rc == -EBADF ? "it is not open" : "it is open for reading only");
	return STATUS_USAGE;
}
