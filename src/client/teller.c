/* SPDX-License-Identifier: MIT */
#include "client/teller.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/io.h"
#include "net/signals.h"

void teller_open(struct teller *ret_teller, bool is_quiet, bool has_timestamps)
{
	*ret_teller = (struct teller){
		.wait.signals_fd = -1,
		.is_quiet = is_quiet,
		.has_timestamps = has_timestamps,
	};
	writer_open(STDOUT_FILENO, WRITER_ANY_FILE, &ret_teller->out);
	writer_open_log(&ret_teller->log);
}

/* ---- lines ---- */

/* Adds a line behind the others. Returns false if there is no room for it. */
PRINTF_LIKE(2, 0)
static bool add_line(struct teller *teller, const char *format, va_list values)
{
	char *at = teller->lines + teller->to;
	size_t room = sizeof(teller->lines) - teller->to, n = 0;
	struct timespec now;
	if (teller->has_timestamps) {
		clock_gettime(CLOCK_REALTIME, &now);
		n = (size_t)snprintf(at, room, "[%jd.%06ld] ", (intmax_t)now.tv_sec,
				     now.tv_nsec / 1000);
	}
	if (n < room)
		n += (size_t)vsnprintf(at + n, room - n, format, values);
	if (n >= room)
		return false;
	at[n] = '\n';
	teller->to += n + 1;
	return true;
}

PRINTF_LIKE(2, 3)
static bool add(struct teller *teller, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	bool is_added = add_line(teller, format, values);
	va_end(values);
	return is_added;
}

/* What was left out is told where it would stand. Returns false if there is no room for that. */
static bool tell_left_out(struct teller *teller)
{
	if (teller->n_left_out > 0 &&
	    !add(teller, "(%" PRIu64 " line%s left out: nothing read %s)", teller->n_left_out,
		 teller->n_left_out == 1 ? " is" : "s are",
		 teller->n_left_out == 1 ? "it" : "them"))
		return false;
	teller->n_left_out = 0;
	return true;
}

void teller_say(struct teller *teller, const char *format, ...)
{
	if (teller->is_quiet)
		return;
	if (teller->from > 0)
		memmove(teller->lines, teller->lines + teller->from, teller->to - teller->from);
	teller->to -= teller->from;
	teller->from = 0;
	va_list values;
	va_start(values, format);
	if (!tell_left_out(teller) || !add_line(teller, format, values))
		teller->n_left_out++;
	va_end(values);
}

bool teller_flush(struct teller *teller)
{
	ssize_t n = 0;
	while (teller->code == 0 && teller->from < teller->to && n >= 0) {
		n = writer_write(&teller->out, teller->lines + teller->from,
				 teller->to - teller->from);
		teller->from += n > 0 ? (size_t)n : 0;
		if (n < 0 && n != -EAGAIN)
			teller->code = (int)n;
	}
	return teller->code == 0;
}

bool teller_is_behind(const struct teller *teller)
{
	return teller->from < teller->to;
}

struct pollfd teller_pollfd(const struct teller *teller)
{
	if (teller->code != 0)
		return (struct pollfd){ .fd = -1 }; /* that is known */
	return writer_pollfd(&teller->out, teller_is_behind(teller));
}

uint64_t teller_deadline_ns(const struct teller *teller)
{
	return writer_retry_ns(&teller->out, teller_is_behind(teller));
}

bool teller_check(struct teller *teller)
{
	struct pollfd out = { .fd = teller->out.fd };
	bool is_lost = io_wait(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP)) != 0;
	if (teller_flush(teller) && is_lost)
		teller->code = teller->out.is_terminal ? -EIO : -EPIPE;
	return teller->code == 0;
}

/* ---- the end ---- */

int teller_begin_report(struct teller *teller, FILE **ret_report)
{
	teller->report = open_memstream(&teller->report_bytes, &teller->report_size);
	if (teller->report == NULL)
		return -ENOMEM;
	*ret_report = teller->report;
	return 0;
}

/* Writes the lines that are left and the report. Returns 0 or as writer_write_all(). */
MUST_USE static int write_all(struct teller *teller)
{
	struct writer *out = &teller->out;
	int rc = writer_write_all(out, teller->lines + teller->from, teller->to - teller->from,
				  &teller->wait);
	teller->from = teller->to = 0;
	if (rc == 0 && tell_left_out(teller))
		rc = writer_write_all(out, teller->lines, teller->to, &teller->wait);
	if (rc == 0)
		rc = writer_write_all(out, teller->report_bytes, teller->report_size,
				      &teller->wait);
	int finished = writer_finish(out, &teller->wait);
	return rc < 0 ? rc : finished;
}

enum exit_status teller_end_report(struct teller *teller, int rc)
{
	if (teller->report != NULL && fclose(teller->report) != 0 && rc == 0)
		rc = -ENOMEM;
	teller->report = NULL;
	if (rc == 0)
		rc = teller->code;
	/* The signals are blocked: now they end the wait. */
	teller->wait.signals_fd = signals_setup_meter();
	if (rc == 0)
		rc = write_all(teller);
	free(teller->report_bytes);
	teller->report_bytes = NULL;
	return rc == 0 ? STATUS_OK : writer_status(rc, "-", &teller->wait);
}

void teller_close(struct teller *teller)
{
	struct writer_wait wait = { .signals_fd = -1, .ended_by = SIGTERM };
	ignore_result(writer_finish(&teller->out, &wait)); /* only lines, if they are not taken */
	writer_close_log(&teller->log);
	io_close(&teller->wait.signals_fd);
}
