/* SPDX-License-Identifier: MIT */
#include "report/run_write.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "stats/hlog.h"
#include "report/latency_json.h"
#include "report/start_time_json.h"

/* Digits of a number: microseconds with ns resolution up to a quarter of an hour. */
#define DIGITS 12

/* ---- values ---- */

static json_t *integer_json(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* Returns null for 0, which means unknown or missing. */
static json_t *optional_integer_json(uint64_t n)
{
	return n != 0 ? integer_json(n) : json_null();
}

/* Formats a time in UTC with microseconds (RFC 3339). */
static json_t *timestamp_json(uint64_t since_epoch_ns)
{
	if (since_epoch_ns == 0)
		return json_null();
	const int length = (int)strlen("2026-11-26T04:36:17.123456");
	return json_sprintf("%.*sZ", length, units_timestamp(since_epoch_ns).text);
}

static json_t *histogram_json(struct hlog *hlog, const struct histogram *times)
{
	return times->n > 0 ? json_string(hlog_encode(hlog, times)) : json_null();
}

/* ---- the parts of a document, in order ---- */

/* Returns whether the run has parts to write. */
static bool has_parts(const struct run *run)
{
	return run->n_merged > 1 && run->parts.n > 0;
}

/* Returns an array of make() for each part; NULL: out of memory. */
static json_t *each_part(const struct run *run, json_t *(*make)(const struct run_part *part))
{
	json_t *list = json_array();
	for (size_t i = 0; i < run->parts.n; i++) {
		if (json_array_append_new(list, make(&run->parts.list[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* As 16 hexadecimal digits, because not every JSON reader supports 64-bit numbers. */
static json_t *id_json(const struct run_part *part)
{
	return json_sprintf("%016" PRIx64, part->id);
}

static json_t *span_json(const struct run_part *part)
{
	return json_pack("{s:o, s:f, s:o, s:o, s:o, s:s?, s:s?, s:b, s:s?}", "start",
			 timestamp_json(part->start_ns), "seconds", clock_s(part->elapsed_ns),
			 "connections", integer_json(part->n_connections), "threads",
			 integer_json(part->n_threads), "rate_wanted",
			 optional_integer_json(part->rate_wanted), "host", part->host, "target",
			 part->target, "interrupted", part->is_interrupted, "client_bound",
			 part->client_bound);
}

static json_t *facts_json(const struct run *run)
{
	const struct run_facts *facts = &run->facts;
	bool is_sum = has_parts(run);
	return json_pack("{s:i, s:s?, s:s?, s:s?, s:o, s:s?, s:s?, s:s?, s:o, s:s?, s:o, s:o, s:o, "
			 "s:o}",
			 "format", RUN_DOCUMENT_FORMAT, "version", facts->version, "command",
			 run->command, "command_line", facts->command_line, "start",
			 timestamp_json(facts->start_ns), "host", facts->host, "kernel",
			 facts->kernel, "cpu", facts->cpu, "cpus",
			 optional_integer_json(facts->n_cpus), "congestion_control",
			 facts->congestion_control, "mss", optional_integer_json(facts->mss),
			 "merged", integer_json(run->n_merged), "parts",
			 is_sum ? each_part(run, id_json) : json_null(), "spans",
			 is_sum ? each_part(run, span_json) : json_null());
}

/* A sum of runs with different seeds has no seed. */
static json_t *seed_json(const struct run *run)
{
	return run->n_merged > 1 ? optional_integer_json(run->seed) : integer_json(run->seed);
}

static json_t *parameters_json(const struct run *run)
{
	return json_pack("{s:s?, s:s?, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:f, s:o}", "target",
			 run->target, "mode", run->mode, "connections",
			 integer_json(run->n_connections), "size", integer_json(run->size), "depth",
			 integer_json(run->depth), "threads", integer_json(run->n_threads), "seed",
			 seed_json(run), "churn", run->churns, "rate_wanted",
			 optional_integer_json(run->rate_wanted), "warmup_seconds",
			 clock_s(run->warmup_ns), "seconds_wanted",
			 run->wanted_ns != 0 ? json_real(clock_s(run->wanted_ns)) : json_null());
}

static json_t *failures_json(const struct result_failure *list, size_t n)
{
	json_t *json = json_object();
	for (size_t i = 0; i < n; i++)
		json_object_set_new(json, list[i].name, integer_json(list[i].n));
	return json;
}

static json_t *messages_json(const struct run *run)
{
	const struct result *result = &run->result;
	return json_pack("{s:f, s:b, s:o, s:o, s:o, s:o, s:f}", "seconds",
			 clock_s(result->elapsed_ns), "interrupted", run->is_interrupted, "sent",
			 integer_json(result->n_sent), "echoes", integer_json(result->n_echoes),
			 "failed", integer_json(result_failed(result)), "unfinished",
			 integer_json(result->n_unfinished), "rate", result_rate(result));
}

static json_t *outcome_json(const struct run *run)
{
	const struct result *result = &run->result;
	const char *mismatch = result->first_mismatch[0] != '\0' ? result->first_mismatch : NULL;
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s?}", "bytes",
			 integer_json(result->bytes_sent), "verified_bytes",
			 integer_json(result->bytes_verified), "missing_bytes",
			 integer_json(result_missing(result)), "mismatches",
			 integer_json(result->n_mismatches), "wrong_bytes",
			 integer_json(result->wrong_bytes), "connections_opened",
			 integer_json(result->n_connections), "errors",
			 failures_json(result->failures, result->n_failures), "connection_errors",
			 failures_json(result->connection_errors, result->n_connection_errors),
			 "first_mismatch", mismatch);
}

static json_t *kernel_json(const struct run *run)
{
	const struct tcpinfo *kernel = &run->kernel;
	if (!run->has_kernel)
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:o}", "smoothed", clock_us(kernel->rtt_ns), "deviation",
			 clock_us(kernel->rtt_var_ns), "min", clock_us(kernel->rtt_min_ns),
			 "retransmits", integer_json(kernel->n_retransmits));
}

static json_t *figures_json(const struct run *run)
{
	const struct result *result = &run->result;
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:f, s:f, s:s?}", "response_us",
			 latency_json(&result->response), "service_us",
			 latency_json(&result->service), "lateness_us",
			 latency_json(&result->lateness), "connect_us",
			 latency_json(&result->connect), "kernel_us", kernel_json(run),
			 "client_cpu_share", run->cpu_share, "client_spin_share", run->spin_share,
			 "client_bound", run->client_bound);
}

static json_t *histograms_json(struct hlog *hlog, const struct result *result)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "histogram",
			 histogram_json(hlog, &result->response), "service_histogram",
			 histogram_json(hlog, &result->service), "lateness_histogram",
			 histogram_json(hlog, &result->lateness), "connect_histogram",
			 histogram_json(hlog, &result->connect));
}

/* Returns the exact sum of a histogram; null if it is empty or too large for JSON. */
static json_t *sum_json(const struct histogram *times)
{
	return times->n > 0 && times->sum_ns <= INT64_MAX ? integer_json(times->sum_ns)
							  : json_null();
}

static json_t *sums_json(const struct result *result)
{
	return json_pack("{s:{s:o, s:o, s:o, s:o}}", "sums_ns", "response",
			 sum_json(&result->response), "service", sum_json(&result->service),
			 "lateness", sum_json(&result->lateness), "connect",
			 sum_json(&result->connect));
}

static json_t *interval_json(const struct time_series_interval *interval)
{
	return json_pack("{s:f, s:f, s:o, s:o, s:o, s:o, s:s?, s:s?}", "start",
			 clock_s(interval->start_ns), "seconds", clock_s(interval->length_ns),
			 "echoes", integer_json(interval->n_echoes), "unfinished",
			 integer_json(interval->n_unfinished), "verified_bytes",
			 integer_json(interval->bytes_verified), "failures",
			 integer_json(interval->n_failures), "response", interval->response,
			 "service", interval->service);
}

static json_t *series_json(const struct time_series *series)
{
	json_t *list = json_array();
	for (size_t i = 0; i < series->n; i++) {
		if (json_array_append_new(list, interval_json(&series->list[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return json_pack("{s:o, s:o}", "interval_seconds",
			 series->interval_ns != 0 ? json_real(clock_s(series->interval_ns))
						  : json_null(),
			 "series", list);
}

/* ---- the document ---- */

/* Returns a new reference; NULL: out of memory. */
static json_t *run_document(struct hlog *hlog, const struct run *run)
{
	json_t *parts[] = {
		parameters_json(run),    start_time_json(&run->start),
		messages_json(run),      outcome_json(run),
		figures_json(run),       histograms_json(hlog, &run->result),
		sums_json(&run->result), series_json(&run->series),
	};
	json_t *json = facts_json(run);
	bool is_whole = json != NULL;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		is_whole = is_whole && json_object_update(json, parts[i]) == 0;
		json_decref(parts[i]);
	}
	if (is_whole)
		return json;
	json_decref(json);
	return NULL;
}

int run_write_json(FILE *out, const struct run *run)
{
	struct hlog *hlog;
	int rc = hlog_open(&hlog);
	if (rc < 0)
		return rc;
	json_t *json = run_document(hlog, run);
	hlog_close(hlog);
	if (json == NULL)
		return -ENOMEM;
	if (json_dumpf(json, out, JSON_INDENT(2) | JSON_REAL_PRECISION(DIGITS)) < 0 &&
	    ferror(out) == 0)
		rc = -ENOMEM;
	fputc('\n', out);
	json_decref(json);
	return rc;
}

/* ---- a log ---- */

MUST_USE static int write_line(FILE *out, struct hlog *hlog, struct hlog_interval interval,
			       const char *packed, struct histogram *work)
{
	histogram_reset(work);
	int rc = packed != NULL ? hlog_decode(hlog, packed, work) : 0;
	if (rc == 0)
		fputs(hlog_line(hlog, &interval, work), out);
	return rc;
}

MUST_USE static int write_log(FILE *out, struct hlog *hlog, const struct run *run,
			      struct histogram *work)
{
	int rc = 0;
	fputs(hlog_head(hlog, run->facts.start_ns), out);
	for (size_t i = 0; rc == 0 && i < run->series.n; i++) {
		const struct time_series_interval *interval = &run->series.list[i];
		struct hlog_interval line = {
			.tag = "response",
			.start_ns = interval->start_ns,
			.length_ns = interval->length_ns,
		};
		rc = write_line(out, hlog, line, interval->response, work);
		line.tag = "service";
		if (rc == 0)
			rc = write_line(out, hlog, line, interval->service, work);
	}
	return rc;
}

int run_write_hlog(FILE *out, const struct run *run)
{
	struct hlog *hlog;
	struct histogram work;
	int rc = hlog_open(&hlog);
	if (rc < 0)
		return rc;
	rc = histogram_open(&work);
	if (rc == 0) {
		rc = write_log(out, hlog, run, &work);
		histogram_close(&work);
	}
	hlog_close(hlog);
	return rc;
}
