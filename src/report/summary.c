/* SPDX-License-Identifier: MIT */
#include "report/summary.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "base/clock.h"
#include "report/hlog.h"
#include "report/times.h"

static double seconds_of(const struct result *result)
{
	return clock_s(result->elapsed_ns);
}

static double rate_of(const struct result *result)
{
	double seconds = seconds_of(result);
	return seconds > 0 ? (double)result->n_echoes / seconds : 0;
}

/* ---- text ---- */

static void write_times(FILE *out, const char *what, const struct histogram *times)
{
	if (times->n == 0)
		return;
	fprintf(out, "%s min/mean/p50/p99/max %.1f/%.1f/%.1f/%.1f/%.1f us\n", what,
		clock_us(histogram_min_ns(times)), clock_us(histogram_mean_ns(times)),
		clock_us(histogram_percentile_ns(times, 50)),
		clock_us(histogram_percentile_ns(times, 99)), clock_us(times->max_ns));
}

static void write_failures(FILE *out, const struct result *result)
{
	for (size_t i = 0; i < result->n_failures; i++)
		fprintf(out, "%s%s %" PRIu64, i == 0 ? "failures: " : ", ",
			result->failures[i].name, result->failures[i].n);
	if (result->n_failures > 0)
		fputc('\n', out);
}

void summary_write_text(FILE *out, const struct summary *summary)
{
	const struct result *result = summary->result;
	const struct tcpinfo *kernel = summary->kernel;
	fprintf(out, "--- %s ---\n", summary->target);
	fprintf(out,
		"%" PRIu64 " sent, %" PRIu64 " came back, %" PRIu64 " failed, %.3f s, every byte "
		"of %" PRIu64 " compared\n",
		result->n_sent, result->n_echoes, result_failures(result), seconds_of(result),
		result->bytes_verified);
	write_failures(out, result);
	write_times(out, "round trip", &result->response);
	if (summary->tells_connecting)
		write_times(out, "connecting", &result->connect);
	if (kernel != NULL)
		fprintf(out,
			"the kernel's own (TCP_INFO): %.1f us smoothed, %.1f us deviation, %.1f us "
			"least, %" PRIu64 " segments sent again\n",
			clock_us(kernel->rtt_ns), clock_us(kernel->rtt_var_ns),
			clock_us(kernel->rtt_min_ns), kernel->n_retransmits);
}

/* ---- a table ---- */

static void write_row(FILE *out, const char *what, const struct histogram *times)
{
	if (times->n == 0)
		return;
	fprintf(out, "%-12s %9.1f %9.1f", what, clock_us(histogram_min_ns(times)),
		clock_us(histogram_mean_ns(times)));
	for (size_t i = 0; i < TIMES_PERCENTILES; i++)
		fprintf(out, " %9.1f",
			clock_us(histogram_percentile_ns(times, times_percentiles[i].percent)));
	fprintf(out, " %9.1f\n", clock_us(times->max_ns));
}

static void write_rate(FILE *out, const struct summary *summary)
{
	const struct result *result = summary->result;
	double mib_per_second = rate_of(result) * (double)summary->size / (1024 * 1024);
	fprintf(out, "%" PRIu64 " echoes in %.3f s: %.1f/s", result->n_echoes, seconds_of(result),
		rate_of(result));
	if (summary->rate_wanted != 0)
		fprintf(out, " of %" PRIu64 "/s", summary->rate_wanted);
	fprintf(out, ", %.1f MiB/s each way\n", mib_per_second);
	fprintf(out,
		"every byte of %" PRIu64 " compared; %" PRIu64 " wrong, %" PRIu64 " bytes missing, "
		"%" PRIu64 " failures, %" PRIu64 " connections\n",
		result->bytes_verified, result->n_mismatches, result_missing(result),
		result_failures(result), result->n_connections);
}

void summary_write_table(FILE *out, const struct summary *summary)
{
	const struct result *result = summary->result;
	fprintf(out, "--- %s ---\n", summary->target);
	write_rate(out, summary);
	write_failures(out, result);
	if (result->first_mismatch[0] != '\0')
		fprintf(out, "first: %s\n", result->first_mismatch);
	fprintf(out, "%-12s %9s %9s", "us", "min", "mean");
	for (size_t i = 0; i < TIMES_PERCENTILES; i++)
		fprintf(out, " %9s", times_percentiles[i].name);
	fprintf(out, " %9s\n", "max");
	write_row(out, summary->rate_wanted != 0 ? "response" : "round trip", &result->response);
	if (summary->rate_wanted != 0) {
		write_row(out, "service", &result->service);
		write_row(out, "lateness", &result->lateness);
	}
	if (summary->tells_connecting)
		write_row(out, "connecting", &result->connect);
	fprintf(out, "the client used %.0f %% of a core\n", summary->cpu_share * 100);
	if (summary->client_bound != NULL)
		fprintf(out, "no measurement of the server: %s\n", summary->client_bound);
}

/* ---- JSON ---- */

static json_t *failures_json(const struct result *result)
{
	json_t *json = json_object();
	for (size_t i = 0; i < result->n_failures; i++)
		json_object_set_new(json, result->failures[i].name,
				    json_integer((json_int_t)result->failures[i].n));
	return json;
}

static json_t *kernel_json(const struct tcpinfo *kernel)
{
	if (kernel == NULL)
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:I}", "smoothed", clock_us(kernel->rtt_ns), "deviation",
			 clock_us(kernel->rtt_var_ns), "min", clock_us(kernel->rtt_min_ns),
			 "retransmits", (json_int_t)kernel->n_retransmits);
}

static json_t *document(const struct summary *summary, const char *histogram)
{
	const struct result *result = summary->result;
	json_t *rate_wanted = summary->rate_wanted != 0
				      ? json_integer((json_int_t)summary->rate_wanted)
				      : json_null();
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:f, s:o, s:I, s:I, s:f, s:I, s:I, s:I, s:I, "
			 "s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:s?, s:s?, s:s}",
			 "command", summary->command, "target", summary->target, "mode",
			 summary->mode, "connections", (json_int_t)summary->n_connections, "size",
			 (json_int_t)summary->size, "seconds", seconds_of(result), "rate_wanted",
			 rate_wanted, "sent", (json_int_t)result->n_sent, "echoes",
			 (json_int_t)result->n_echoes, "rate", rate_of(result), "bytes",
			 (json_int_t)result->bytes_sent, "verified_bytes",
			 (json_int_t)result->bytes_verified, "mismatches",
			 (json_int_t)result->n_mismatches, "missing_bytes",
			 (json_int_t)result_missing(result), "errors", failures_json(result),
			 "response_us", times_json(&result->response), "service_us",
			 times_json(&result->service), "lateness_us", times_json(&result->lateness),
			 "connect_us", times_json(&result->connect), "kernel_us",
			 kernel_json(summary->kernel), "client_cpu_share", summary->cpu_share,
			 "client_bound", summary->client_bound, "first_mismatch",
			 result->first_mismatch[0] != '\0' ? result->first_mismatch : NULL,
			 "histogram", histogram);
}

int summary_write_json(FILE *out, const struct summary *summary)
{
	struct hlog *hlog;
	int rc = hlog_open(&hlog);
	if (rc < 0)
		return rc;
	json_t *json = document(summary, hlog_encode(hlog, &summary->result->response));
	hlog_close(hlog);
	if (json == NULL)
		return -ENOMEM;
	json_dumpf(json, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	fputc('\n', out);
	json_decref(json);
	return 0;
}
