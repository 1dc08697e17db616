/* SPDX-License-Identifier: MIT */
#include "client/check/check.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

#include "net/io.h"

struct check_text check_text(const char *format, ...)
{
	struct check_text text;
	va_list values;
	va_start(values, format);
	vsnprintf(text.text, sizeof(text.text), format, values);
	va_end(values);
	return text;
}

/* Sets the verdict, unless there is one. Returns whether it did. */
static bool set_verdict(struct check_job *job, enum verdict verdict)
{
	if (job->has_verdict)
		return false;
	job->has_verdict = true;
	job->result->verdict = verdict;
	return true;
}

void check_pass(struct check_job *job, const char *format, ...)
{
	va_list values;
	if (!set_verdict(job, VERDICT_PASS))
		return;
	va_start(values, format);
	vsnprintf(job->result->actual, sizeof(job->result->actual), format, values);
	va_end(values);
}

void check_skip(struct check_job *job, const char *format, ...)
{
	va_list values;
	if (!set_verdict(job, VERDICT_SKIP))
		return;
	va_start(values, format);
	vsnprintf(job->result->actual, sizeof(job->result->actual), format, values);
	va_end(values);
}

static void set_texts(struct check_job *job, const struct check_text *expected,
		      const struct check_text *actual, const char *means)
{
	struct check_result *result = job->result;
	snprintf(result->expected, sizeof(result->expected), "%s", expected->text);
	snprintf(result->actual, sizeof(result->actual), "%s", actual->text);
	snprintf(result->means, sizeof(result->means), "%s", means);
}

void check_warn(struct check_job *job, struct check_text expected, struct check_text actual,
		const char *means)
{
	if (set_verdict(job, VERDICT_WARN))
		set_texts(job, &expected, &actual, means);
}

void check_fail(struct check_job *job, struct check_text expected, struct check_text actual,
		const char *means)
{
	if (set_verdict(job, VERDICT_FAIL))
		set_texts(job, &expected, &actual, means);
}

bool check_is_over(const struct check_job *job)
{
	return job->has_verdict || io_is_ready(job->cancel_fd, POLLIN);
}
