/* SPDX-License-Identifier: MIT */
#include "report/run_merge.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/reader.h"
#include "report/run_parts.h"
#include "report/series_merge.h"
#include "report/start_time_json.h"

/* ---- checks ---- */

/* Returns the name of a run for a sentence. */
static const char *run_name(const struct run *run)
{
	return run->name != NULL ? run->name : "it";
}

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static const char *or_none(const char *text)
{
	return text != NULL ? text : "not known";
}

MUST_USE static int refuse_text(const struct run *a, const struct run *b, const char *what,
				const char *of_a, const char *of_b, struct run_refusal *why)
{
	snprintf(why->text, sizeof(why->text), "%s differs: %.60s in %.60s, %.60s in %.60s", what,
		 or_none(of_a), run_name(a), or_none(of_b), run_name(b));
	return -EBADMSG;
}

MUST_USE static int refuse_count(const struct run *a, const struct run *b, const char *what,
				 uint64_t of_a, uint64_t of_b, struct run_refusal *why)
{
	snprintf(why->text, sizeof(why->text),
		 "%s differs: %" PRIu64 " in %.60s, %" PRIu64 " in %.60s", what, of_a, run_name(a),
		 of_b, run_name(b));
	return -EBADMSG;
}

MUST_USE static int check_pair(const struct run *a, const struct run *b, struct run_refusal *why)
{
	if (!is_same_text(a->command, b->command))
		return refuse_text(a, b, "the command", a->command, b->command, why);
	if (!is_same_text(a->mode, b->mode))
		return refuse_text(a, b, "the mode", a->mode, b->mode, why);
	if (a->size != b->size)
		return refuse_count(a, b, "the size of a message", a->size, b->size, why);
	if (a->depth != b->depth)
		return refuse_count(a, b, "the depth", a->depth, b->depth, why);
	if (a->churns != b->churns)
		return refuse_text(a, b, "churn", a->churns ? "on" : "off",
				   b->churns ? "on" : "off", why);
	return 0;
}

/* Like run_merge_check(). The caller must close *ret_parts. */
MUST_USE static int check_all(const struct run *runs, size_t n, struct run_parts *ret_parts,
			      struct run_refusal *why)
{
	for (size_t i = 1; i < n; i++) {
		int rc = check_pair(&runs[0], &runs[i], why);
		if (rc < 0)
			return rc;
	}
	return run_parts_join(runs, n, ret_parts, why);
}

int run_merge_check(const struct run *runs, size_t n, struct run_refusal *reterr_why)
{
	struct run_parts parts = { 0 };
	int rc = check_all(runs, n, &parts, reterr_why);
	run_parts_close(&parts);
	return rc;
}

/* Checks that everything is known that a merge needs. */
MUST_USE static int check_known_facts(const struct run *run, struct run_refusal *why)
{
	const char *what = NULL;
	if (run->format == RUN_HLOG)
		what = "it is a log of HdrHistogram, which does not say what was run";
	else if (run->format != RUN_TCPECHO)
		what = "it does not say how often each time was, so nothing exact can be made "
		       "of it";
	else if (run->facts.start_ns == 0)
		what = "it does not say when it began: it was ended before its measuring began, "
		       "or an earlier version wrote it";
	if (what == NULL)
		return 0;
	snprintf(why->text, sizeof(why->text), "%.100s cannot be added: %s", run_name(run), what);
	return -EBADMSG;
}

/* ---- adding ---- */

/* Returns whether a count or the time of the sum would be too large. */
static bool is_too_much(const struct result *sum, const struct result *more)
{
	const uint64_t pairs[][2] = {
		{ sum->n_sent, more->n_sent },
		{ sum->n_echoes, more->n_echoes },
		{ sum->bytes_sent, more->bytes_sent },
		{ sum->n_unfinished, more->n_unfinished },
		{ sum->n_mismatches, more->n_mismatches },
		{ sum->wrong_bytes, more->wrong_bytes },
		{ sum->n_connections, more->n_connections },
		{ result_failures(sum), result_failures(more) },
		{ result_connection_errors(sum), result_connection_errors(more) },
		{ sum->response.n, more->response.n },
		{ sum->service.n, more->service.n },
		{ sum->lateness.n, more->lateness.n },
		{ sum->connect.n, more->connect.n },
		{ sum->elapsed_ns, more->elapsed_ns },
	};
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		if (pairs[i][0] > INT64_MAX - pairs[i][1])
			return true;
	}
	return false;
}

/* Returns whether the failure names of both lists fit into one. */
static bool has_text_room(const struct result_failure *sum, size_t n_sum,
			  const struct result_failure *more, size_t n_more)
{
	size_t n = n_sum;
	for (size_t i = 0; i < n_more; i++) {
		size_t j = 0;
		while (j < n_sum && strcmp(sum[j].name, more[i].name) != 0)
			j++;
		n += j == n_sum;
	}
	return n <= RESULT_FAILURES_MAX;
}

MUST_USE static int refuse_too_much(const struct run *run, struct run_refusal *why)
{
	snprintf(why->text, sizeof(why->text), "with %.100s there is more than can be counted",
		 run_name(run));
	return -EBADMSG;
}

int run_merge_result(struct result *sum, const struct run *run, struct run_refusal *reterr_why)
{
	const struct result *more = &run->result;
	if (is_too_much(sum, more) ||
	    !has_text_room(sum->failures, sum->n_failures, more->failures, more->n_failures) ||
	    !has_text_room(sum->connection_errors, sum->n_connection_errors,
			   more->connection_errors, more->n_connection_errors))
		return refuse_too_much(run, reterr_why);
	result_add(sum, more);
	return 0;
}

static int by_failure_name(const void *a, const void *b)
{
	const struct result_failure *one = a, *other = b;
	return strcmp(one->name, other->name);
}

/* Makes results independent of the order in which the runs were added. */
static void settle_order(const struct run *runs, size_t n, struct result *sum)
{
	const char *mismatch = NULL;
	qsort(sum->failures, sum->n_failures, sizeof(*sum->failures), by_failure_name);
	qsort(sum->connection_errors, sum->n_connection_errors, sizeof(*sum->connection_errors),
	      by_failure_name);
	for (size_t i = 0; i < n; i++) {
		const char *text = runs[i].result.first_mismatch;
		if (*text != '\0' && (mismatch == NULL || strcmp(text, mismatch) < 0))
			mismatch = text;
	}
	if (mismatch != NULL)
		snprintf(sum->first_mismatch, sizeof(sum->first_mismatch), "%s", mismatch);
}

MUST_USE static int add_results(const struct run *runs, size_t n, struct run *sum,
				struct run_refusal *why)
{
	for (size_t i = 0; i < n; i++) {
		if (runs[i].n_merged > INT64_MAX - sum->n_merged)
			return refuse_too_much(&runs[i], why);
		int rc = run_merge_result(&sum->result, &runs[i], why);
		if (rc < 0)
			return rc;
		sum->n_merged += runs[i].n_merged;
		sum->cpu_share =
			runs[i].cpu_share > sum->cpu_share ? runs[i].cpu_share : sum->cpu_share;
		sum->spin_share =
			runs[i].spin_share > sum->spin_share ? runs[i].spin_share : sum->spin_share;
	}
	settle_order(runs, n, &sum->result);
	return 0;
}

/* ---- facts ---- */

MUST_USE static int copy(const char *text, char **ret_copy)
{
	if (text == NULL)
		return 0;
	*ret_copy = strdup(text);
	return *ret_copy != NULL ? 0 : -ENOMEM;
}

static const char *text_at(const struct run *run, size_t offset)
{
	return *(char *const *)((const char *)run + offset);
}

/* Copies a text that is the same in all runs; offset: of the text in struct run. */
MUST_USE static int share_text(const struct run *runs, size_t n, size_t offset, struct run *sum)
{
	const char *first = text_at(&runs[0], offset);
	for (size_t i = 1; i < n; i++) {
		if (!is_same_text(first, text_at(&runs[i], offset)))
			return 0;
	}
	return copy(first, (char **)((char *)sum + offset));
}

/* Returns a count that is the same in all runs; else 0, which means unknown. */
static uint64_t share_count(const struct run *runs, size_t n, size_t offset)
{
	uint64_t first = *(const uint64_t *)((const char *)&runs[0] + offset);
	for (size_t i = 1; i < n; i++) {
		if (*(const uint64_t *)((const char *)&runs[i] + offset) != first)
			return 0;
	}
	return first;
}

MUST_USE static int add_facts(const struct run *runs, size_t n, struct run *sum)
{
	static const size_t texts[] = {
		offsetof(struct run, facts.version),
		offsetof(struct run, facts.kernel),
		offsetof(struct run, facts.cpu),
		offsetof(struct run, facts.command_line),
		offsetof(struct run, command),
		offsetof(struct run, mode),
		offsetof(struct run, facts.congestion_control),
	};
	int rc = run_parts_set_facts(sum);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(texts); i++)
		rc = share_text(runs, n, texts[i], sum);
	sum->facts.n_cpus = share_count(runs, n, offsetof(struct run, facts.n_cpus));
	sum->facts.mss = share_count(runs, n, offsetof(struct run, facts.mss));
	sum->seed = share_count(runs, n, offsetof(struct run, seed));
	sum->warmup_ns = share_count(runs, n, offsetof(struct run, warmup_ns));
	sum->wanted_ns = share_count(runs, n, offsetof(struct run, wanted_ns));
	sum->size = runs[0].size;
	sum->depth = runs[0].depth;
	sum->churns = runs[0].churns;
	sum->start = runs[0].start;
	for (size_t i = 1; i < n; i++)
		start_time_add(&sum->start, &runs[i].start);
	sum->has_kernel = n == 1 && runs[0].has_kernel;
	if (sum->has_kernel)
		sum->kernel = runs[0].kernel;
	return rc;
}

/* ---- time ---- */

/* Checks that the total time span is allowed in a document, so that all times fit into 64 bits. */
MUST_USE static int check_span(const struct run *runs, size_t n, struct run_refusal *why)
{
	uint64_t from_ns = UINT64_MAX, to_ns = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t start_ns = runs[i].facts.start_ns;
		from_ns = start_ns < from_ns ? start_ns : from_ns;
		uint64_t end_ns = start_ns + run_span_ns(&runs[i]);
		to_ns = end_ns > to_ns ? end_ns : to_ns;
	}
	if (to_ns - from_ns <= READER_NS_MAX)
		return 0;
	snprintf(why->text, sizeof(why->text),
		 "from the first to the last there are more than a "
		 "hundred years");
	return -EBADMSG;
}

/* Merges the series. If a run has no series, the sum has none. */
MUST_USE static int add_series(const struct run *runs, size_t n, struct run *sum,
			       struct run_refusal *why)
{
	assert(n > 0);
	for (size_t i = 0; i < n; i++) {
		if (runs[i].series.n == 0)
			return 0;
	}
	struct series_part *parts = calloc(n, sizeof(*parts));
	if (parts == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		parts[i].series = &runs[i].series;
		parts[i].start_ns = runs[i].facts.start_ns;
	}
	int rc = series_merge(parts, n, &sum->series);
	free(parts);
	if (rc == 0 || rc == -ENOMEM)
		return rc;
	snprintf(why->text, sizeof(why->text), "their series cannot be added");
	return -EBADMSG;
}

/* ---- a sum ---- */

int run_merge(const struct run *runs, size_t n, struct run *ret_sum, struct run_refusal *reterr_why)
{
	struct run sum;
	struct run_parts parts = { 0 };
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = check_known_facts(&runs[i], reterr_why);
	if (rc == 0)
		rc = check_all(runs, n, &parts, reterr_why);
	if (rc == 0)
		rc = check_span(runs, n, reterr_why);
	if (rc == 0)
		rc = run_open(&sum);
	if (rc != 0) {
		run_parts_close(&parts);
		return rc;
	}
	sum.parts = parts;
	sum.format = RUN_TCPECHO;
	sum.n_merged = 0;
	rc = add_results(runs, n, &sum, reterr_why);
	if (rc == 0)
		rc = add_facts(runs, n, &sum);
	if (rc == 0)
		rc = run_parts_elapsed_ns(&sum.parts, &sum.facts.start_ns, &sum.result.elapsed_ns);
	if (rc == 0)
		rc = run_parts_set_peaks(&sum);
	if (rc == 0)
		rc = add_series(runs, n, &sum, reterr_why);
	if (rc == 0)
		*ret_sum = sum;
	else
		run_close(&sum);
	return rc;
}
