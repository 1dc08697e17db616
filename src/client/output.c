/* SPDX-License-Identifier: MIT */
#include "client/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/io.h"
#include "net/signals.h"

void output_open(struct output *ret_output, bool is_quiet, bool has_timestamps)
{
	*ret_output = (struct output){
		.wait.signals_fd = -1,
		.is_quiet = is_quiet,
		.has_timestamps = has_timestamps,
	};
	writer_open(STDOUT_FILENO, WRITER_ANY_FILE, &ret_output->out);
	writer_open_log(&ret_output->log);
}

/* ---- lines ---- */

/* Appends a line. Returns false if there is no room for it. */
PRINTF_LIKE(2, 0)
static bool add_line(struct output *output, const char *format, va_list values)
{
	char *at = output->lines + output->to;
	size_t room = sizeof(output->lines) - output->to, n = 0;
	struct timespec now;
	if (output->has_timestamps) {
		clock_gettime(CLOCK_REALTIME, &now);
		n = (size_t)snprintf(at, room, "[%jd.%06ld] ", (intmax_t)now.tv_sec,
				     now.tv_nsec / 1000);
	}
	if (n < room)
		n += (size_t)vsnprintf(at + n, room - n, format, values);
	if (n >= room)
		return false;
	at[n] = '\n';
	output->to += n + 1;
	return true;
}

PRINTF_LIKE(2, 3)
static bool buffer_line(struct output *output, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	bool is_added = add_line(output, format, values);
	va_end(values);
	return is_added;
}

/* Appends the number of lines left out at their place. Returns false if there is no room. */
static bool add_left_out_line(struct output *output)
{
	if (output->n_left_out > 0 &&
	    !buffer_line(output, "(%" PRIu64 " line%s left out: standard output was blocked)",
			 output->n_left_out, output->n_left_out == 1 ? "" : "s"))
		return false;
	output->n_left_out = 0;
	return true;
}

void output_line(struct output *output, const char *format, ...)
{
	if (output->is_quiet)
		return;
	if (output->from > 0)
		memmove(output->lines, output->lines + output->from, output->to - output->from);
	output->to -= output->from;
	output->from = 0;
	va_list values;
	va_start(values, format);
	if (!add_left_out_line(output) || !add_line(output, format, values))
		output->n_left_out++;
	va_end(values);
}

bool output_flush(struct output *output)
{
	ssize_t n = 0;
	while (output->code == 0 && output->from < output->to && n >= 0) {
		n = writer_write(&output->out, output->lines + output->from,
				 output->to - output->from);
		output->from += n > 0 ? (size_t)n : 0;
		if (n < 0 && n != -EAGAIN)
			output->code = (int)n;
	}
	return output->code == 0;
}

bool output_is_pending(const struct output *output)
{
	return output->from < output->to;
}

struct pollfd output_pollfd(const struct output *output)
{
	if (output->code != 0)
		return (struct pollfd){ .fd = -1 }; /* the error is known already */
	return writer_pollfd(&output->out, output_is_pending(output));
}

uint64_t output_deadline_ns(const struct output *output)
{
	return writer_retry_ns(&output->out, output_is_pending(output));
}

bool output_check(struct output *output)
{
	struct pollfd out = { .fd = output->out.fd };
	bool is_lost = io_wait(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP)) != 0;
	if (output_flush(output) && is_lost)
		output->code = output->out.is_terminal ? -EIO : -EPIPE;
	return output->code == 0;
}

/* ---- the end ---- */

int output_begin_report(struct output *output, FILE **ret_report)
{
	output->report = open_memstream(&output->report_bytes, &output->report_size);
	if (output->report == NULL)
		return -ENOMEM;
	*ret_report = output->report;
	return 0;
}

/* Writes the remaining lines and the report. Returns 0 or as writer_write_all(). */
MUST_USE static int output_write_all(struct output *output)
{
	struct writer *out = &output->out;
	int rc = writer_write_all(out, output->lines + output->from, output->to - output->from,
				  &output->wait);
	output->from = output->to = 0;
	if (rc == 0 && add_left_out_line(output))
		rc = writer_write_all(out, output->lines, output->to, &output->wait);
	if (rc == 0)
		rc = writer_write_all(out, output->report_bytes, output->report_size,
				      &output->wait);
	int finished = writer_finish(out, &output->wait);
	return rc < 0 ? rc : finished;
}

enum exit_status output_end_report(struct output *output, int rc)
{
	if (output->report != NULL && fclose(output->report) != 0 && rc == 0)
		rc = -ENOMEM;
	output->report = NULL;
	if (rc == 0)
		rc = output->code;
	/* The signals are blocked. From now on they end the wait. */
	output->wait.signals_fd = signals_setup_meter();
	if (rc == 0)
		rc = output_write_all(output);
	free(output->report_bytes);
	output->report_bytes = NULL;
	return rc == 0 ? STATUS_OK : writer_status(rc, "-", &output->wait);
}

void output_close(struct output *output)
{
	struct writer_wait wait = { .signals_fd = -1, .ended_by = SIGTERM };
	ignore_result(writer_finish(&output->out, &wait)); /* drops lines that are not accepted */
	writer_close_log(&output->log);
	io_close(&output->wait.signals_fd);
}
