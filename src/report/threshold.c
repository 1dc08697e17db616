/* SPDX-License-Identifier: MIT */
#include "report/threshold.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/units.h"
#include "report/reader.h"

/* Maximum percentage of the old value: a million times it. */
#define PERCENT_MAX 1e8

/* ---- parsing ---- */

/* Parses "10%" or "0.5%" into a share (0.1 for 10 %). */
MUST_USE static bool read_share(const char *text, double *ret_part)
{
	uint64_t billionths;
	if (!reader_decimal(&text, CLOCK_NS_PER_S, &billionths) || strcmp(text, "%") != 0)
		return false;
	*ret_part = (double)billionths / 1e9 / 100;
	return *ret_part <= PERCENT_MAX / 100;
}

/* Parses a value of the metric's kind. Returns 0 or a negative code. */
MUST_USE static int read_threshold(const char *text, const struct metric *metric, double *ret_value)
{
	uint64_t value;
	int rc;
	if (metric->kind == METRIC_TIME) {
		/* "2" would be seconds, which is rarely intended, so a unit is required. */
		if (strspn(text, "0123456789.") == strlen(text))
			return ERR_BAD_UNIT;
		rc = units_parse_duration(text, &value);
	} else {
		rc = units_parse_rate(text, &value);
	}
	if (rc == 0)
		*ret_value = (double)value;
	return rc;
}

/* Copies n characters without leading and trailing spaces. Returns false if they do not fit. */
MUST_USE static bool trim(const char *text, size_t n, char out[THRESHOLD_SIZE])
{
	while (n > 0 && *text == ' ') {
		text++;
		n--;
	}
	while (n > 0 && text[n - 1] == ' ')
		n--;
	if (n >= THRESHOLD_SIZE)
		return false;
	memcpy(out, text, n);
	out[n] = '\0';
	return true;
}

MUST_USE static int refuse(struct threshold_text *why, const char *what, const char *hint)
{
	snprintf(why->text, sizeof(why->text), "%.100s: %.180s", what, hint);
	return -EINVAL;
}

#define HINT_FORM "write METRIC>LIMIT or METRIC<LIMIT, as p99>+10%, p50<-5%, max>+200us, rate<10k"
#define HINT_METRIC                                                                         \
	"no such metric (there are rate, echoes, failures, connection_errors, mismatches, " \
	"missing_bytes, min, mean, max, p99 and the like, service.p99, connect.p99, lateness.p99)"

/* Parses the limit. The metric must be known. */
MUST_USE static int read_limit(struct threshold *threshold, const char *limit,
			       struct threshold_text *why)
{
	char text[THRESHOLD_SIZE];
	bool has_sign = *limit == '+' || *limit == '-';
	int rc = 0;
	if (!trim(limit + has_sign, strlen(limit + has_sign), text))
		return refuse(why, limit, HINT_FORM);
	if (strchr(text, '%') != NULL) {
		threshold->form = THRESHOLD_SHARE;
		if (!has_sign || !read_share(text, &threshold->limit))
			return refuse(why, threshold->text,
				      "a part of the old value is +10% or -0.5%");
	} else {
		threshold->form = has_sign ? THRESHOLD_DIFFERENCE : THRESHOLD_VALUE;
		rc = read_threshold(text, &threshold->metric, &threshold->limit);
	}
	if (rc < 0)
		return refuse(why, threshold->text, err_text(rc).text);
	if (*limit == '-')
		threshold->limit = -threshold->limit;
	return 0;
}

int threshold_parse(const char *text, size_t n, struct threshold *ret_threshold,
		    struct threshold_text *reterr_why)
{
	struct threshold threshold = { 0 };
	char name[THRESHOLD_SIZE], limit[THRESHOLD_SIZE];
	if (!trim(text, n, threshold.text))
		return refuse(reterr_why, "it is too long", HINT_FORM);
	const char *all = threshold.text;
	size_t at = strcspn(all, "<>");
	if (at == 0 || all[at] == '\0')
		return refuse(reterr_why, all, HINT_FORM);
	threshold.is_above = all[at] == '>';
	bool fits = trim(all, at, name) && trim(all + at + 1, strlen(all + at + 1), limit);
	if (!fits || *limit == '\0')
		return refuse(reterr_why, all, HINT_FORM);
	if (!metric_find(name, strlen(name), &threshold.metric))
		return refuse(reterr_why, name, HINT_METRIC);
	int rc = read_limit(&threshold, limit, reterr_why);
	if (rc == 0)
		*ret_threshold = threshold;
	return rc;
}

/* ---- judging ---- */

static double bound_of(const struct threshold *threshold, double before)
{
	if (threshold->form == THRESHOLD_SHARE)
		return before + before * threshold->limit;
	if (threshold->form == THRESHOLD_DIFFERENCE)
		return before + threshold->limit;
	return threshold->limit;
}

enum threshold_verdict threshold_check(const struct threshold *threshold,
				       const struct sample *before, const struct sample *after,
				       struct threshold_text *ret_text)
{
	const struct metric *metric = &threshold->metric;
	struct sample_value old, new;
	/* An absolute threshold needs no old value. */
	bool has_old = sample_value(before, metric, &old);
	if (!has_old && threshold->form == THRESHOLD_VALUE)
		old = (struct sample_value){ 0 };
	else if (!has_old) {
		snprintf(ret_text->text, sizeof(ret_text->text), "%s: the old side has no %s",
			 threshold->text, metric->name);
		return THRESHOLD_UNKNOWN;
	}
	if (!sample_value(after, metric, &new)) {
		snprintf(ret_text->text, sizeof(ret_text->text), "%s: the new side has no %s",
			 threshold->text, metric->name);
		return THRESHOLD_UNKNOWN;
	}
	double bound = bound_of(threshold, old.value);
	if (threshold->is_above ? new.value <= bound : new.value >= bound)
		return THRESHOLD_HOLDS;
	const char *noise = before->n < 2 || after->n < 2 || !has_old ? ""
			    : sample_is_beyond_noise(before, &old, after, &new)
				    ? ", more than the runs' own noise"
				    : ", within the runs' own noise";
	struct metric_text change = metric_change(old.value, new.value);
	char was[96] = "";
	if (has_old)
		snprintf(was, sizeof(was), ", was %s%s%s", metric_text(metric, old.value).text,
			 *change.text != '\0' ? ": " : "", change.text);
	snprintf(ret_text->text, sizeof(ret_text->text), "%s: %s is %s%s%s", threshold->text,
		 metric->name, metric_text(metric, new.value).text, was, noise);
	return THRESHOLD_FAILS;
}
