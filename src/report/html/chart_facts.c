/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdarg.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/units.h"
#include "report/html/chart.h"
#include "report/html/format.h"

/* Writes one fact of a run, or returns false if it is unknown. With `out` NULL it only checks. */
typedef bool fact_fn(FILE *out, const struct run *run);

PRINTF_LIKE(2, 3) static bool put_fact(FILE *out, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	if (out != NULL)
		vfprintf(out, format, values);
	va_end(values);
	return true;
}

static bool put_fact_text(FILE *out, const char *text)
{
	if (text == NULL || text[0] == '\0')
		return false;
	if (out != NULL)
		format_put_text(out, text);
	return true;
}

/* Writes a number for which 0 means unknown. */
static bool put_fact_count(FILE *out, uint64_t n)
{
	return n != 0 && put_fact(out, "%s", format_count(n).text);
}

/* Writes a number that may be 0, if the format of the run contains it. */
static bool put_known_count(FILE *out, const struct run *run, uint64_t n)
{
	return run->format == RUN_TCPECHO && put_fact(out, "%s", format_count(n).text);
}

/* ---- source, place, time ---- */

static bool fact_source(FILE *out, const struct run *run)
{
	switch (run->format) {
	case RUN_HLOG:
		return put_fact(out, "HdrHistogram log");
	case RUN_HGRM:
		return put_fact(out, "HdrHistogram percentiles (no counts)");
	case RUN_FORTIO:
		return put_fact(out, "fortio (coarse buckets)");
	case RUN_TCPECHO:
	case RUN_CHECK:
		break;
	}
	return put_fact(out, "tcpecho ") && (put_fact_text(out, run->facts.version) || true);
}

static bool fact_merged(FILE *out, const struct run *run)
{
	return run->n_merged > 1 && put_fact_count(out, run->n_merged);
}

static bool fact_command_line(FILE *out, const struct run *run)
{
	return put_fact_text(out, run->facts.command_line);
}

static bool fact_start(FILE *out, const struct run *run)
{
	return run->facts.start_ns != 0 && put_fact(out, "%s", units_utc(run->facts.start_ns).text);
}

static bool fact_measured(FILE *out, const struct run *run)
{
	return run->result.elapsed_ns != 0 &&
	       put_fact(out, "%s", format_seconds(clock_s(run->result.elapsed_ns)).text);
}

static bool fact_host(FILE *out, const struct run *run)
{
	return put_fact_text(out, run->facts.host);
}

static bool fact_kernel(FILE *out, const struct run *run)
{
	return put_fact_text(out, run->facts.kernel);
}

static bool fact_cpu(FILE *out, const struct run *run)
{
	return put_fact_text(out, run->facts.cpu);
}

static bool fact_cpus(FILE *out, const struct run *run)
{
	return put_fact_count(out, run->facts.n_cpus);
}

/* ---- parameters ---- */

static bool fact_target(FILE *out, const struct run *run)
{
	return put_fact_text(out, run->target);
}

static bool fact_mode(FILE *out, const struct run *run)
{
	return put_fact_text(out, run->mode);
}

static bool fact_wanted(FILE *out, const struct run *run)
{
	return run->rate_wanted != 0 && put_fact(out, "%s/s", format_count(run->rate_wanted).text);
}

static bool fact_connections(FILE *out, const struct run *run)
{
	return put_fact_count(out, run->n_connections);
}

static bool fact_size(FILE *out, const struct run *run)
{
	return run->size != 0 && put_fact(out, "%s", units_bytes(run->size).text);
}

static bool fact_depth(FILE *out, const struct run *run)
{
	return put_fact_count(out, run->depth);
}

static bool fact_threads(FILE *out, const struct run *run)
{
	return put_fact_count(out, run->n_threads);
}

static bool fact_churn(FILE *out, const struct run *run)
{
	return run->churns && put_fact(out, "a connection for each message");
}

static bool fact_seed(FILE *out, const struct run *run)
{
	bool has_one = run->n_merged == 1 || run->seed != 0; /* a sum may have several seeds */
	return run->format == RUN_TCPECHO && has_one && put_fact(out, "%" PRIu64, run->seed);
}

/* ---- results ---- */

static bool fact_sent(FILE *out, const struct run *run)
{
	return put_known_count(out, run, run->result.n_sent);
}

static bool fact_echoes(FILE *out, const struct run *run)
{
	return put_known_count(out, run, run->result.n_echoes);
}

static bool fact_rate(FILE *out, const struct run *run)
{
	return run->result.elapsed_ns > 0 &&
	       put_fact(out, "%s", format_rate(result_rate(&run->result)).text);
}

static bool fact_verified(FILE *out, const struct run *run)
{
	return run->format == RUN_TCPECHO &&
	       put_fact(out, "%s of %s", units_bytes(run->result.bytes_verified).text,
			units_bytes(run->result.bytes_sent).text);
}

static bool fact_missing(FILE *out, const struct run *run)
{
	return put_known_count(out, run, result_missing(&run->result));
}

static bool fact_wrong(FILE *out, const struct run *run)
{
	return put_known_count(out, run, run->result.n_mismatches);
}

static bool fact_first_wrong(FILE *out, const struct run *run)
{
	return put_fact_text(out, run->result.first_mismatch);
}

static bool fact_wrong_bytes(FILE *out, const struct run *run)
{
	return put_known_count(out, run, run->result.wrong_bytes);
}

static bool put_fact_names(FILE *out, const struct run *run, const struct result_failure *list,
			   size_t n)
{
	if (n == 0)
		return put_known_count(out, run, 0);
	for (size_t i = 0; i < n; i++) {
		put_fact(out, i == 0 ? "" : ", ");
		put_fact_text(out, list[i].name);
		put_fact(out, " %s", format_count(list[i].n).text);
	}
	return true;
}

static bool fact_failures(FILE *out, const struct run *run)
{
	return put_fact_names(out, run, run->result.failures, run->result.n_failures);
}

static bool fact_connection_errors(FILE *out, const struct run *run)
{
	return put_fact_names(out, run, run->result.connection_errors,
			      run->result.n_connection_errors);
}

static bool fact_failed(FILE *out, const struct run *run)
{
	return put_known_count(out, run, result_failed(&run->result));
}

static bool fact_unfinished(FILE *out, const struct run *run)
{
	return put_known_count(out, run, run->result.n_unfinished);
}

static bool fact_opened(FILE *out, const struct run *run)
{
	return put_fact_count(out, run->result.n_connections);
}

/* ---- connections and client ---- */

static bool fact_congestion(FILE *out, const struct run *run)
{
	return put_fact_text(out, run->facts.congestion_control);
}

static bool fact_mss(FILE *out, const struct run *run)
{
	return run->facts.mss != 0 && put_fact(out, "%s bytes", format_count(run->facts.mss).text);
}

static bool fact_round_trip(FILE *out, const struct run *run)
{
	return run->has_kernel && put_fact(out, "%s smoothed, %s deviation, %s least",
					   format_time(run->kernel.rtt_ns).text,
					   format_time(run->kernel.rtt_var_ns).text,
					   format_time(run->kernel.rtt_min_ns).text);
}

static bool fact_retransmits(FILE *out, const struct run *run)
{
	return run->has_kernel && put_fact(out, "%s", format_count(run->kernel.n_retransmits).text);
}

static bool fact_share(FILE *out, const struct run *run)
{
	return run->cpu_share > 0 && put_fact(out, "%.0f %% of a core", run->cpu_share * 100);
}

static bool fact_bound(FILE *out, const struct run *run)
{
	return put_fact_text(out, run->client_bound);
}

/* ---- the table ---- */

static const struct {
	const char *name;
	fact_fn *fact;
} facts[] = {
	{ "from", fact_source },
	{ "runs added", fact_merged },
	{ "command line", fact_command_line },
	{ "start", fact_start },
	{ "measured for", fact_measured },
	{ "host", fact_host },
	{ "kernel", fact_kernel },
	{ "CPU", fact_cpu },
	{ "CPUs", fact_cpus },
	{ "target", fact_target },
	{ "loop", fact_mode },
	{ "rate wanted", fact_wanted },
	{ "connections at a time", fact_connections },
	{ "connections opened", fact_opened },
	{ "churn", fact_churn },
	{ "message", fact_size },
	{ "messages in flight on each", fact_depth },
	{ "threads", fact_threads },
	{ "seed", fact_seed },
	{ "messages sent", fact_sent },
	{ "came back", fact_echoes },
	{ "failed", fact_failed },
	{ "unfinished", fact_unfinished },
	{ "rate", fact_rate },
	{ "bytes compared, of those sent", fact_verified },
	{ "bytes missing", fact_missing },
	{ "wrong bytes", fact_wrong_bytes },
	{ "connections with a wrong byte", fact_wrong },
	{ "the first of them", fact_first_wrong },
	{ "failures", fact_failures },
	{ "connection errors", fact_connection_errors },
	{ "congestion control", fact_congestion },
	{ "segment (MSS)", fact_mss },
	{ "the kernel's round trip (TCP_INFO)", fact_round_trip },
	{ "segments sent again", fact_retransmits },
	{ "CPU of the client, all threads", fact_share },
	{ "the client was the limit", fact_bound },
};

static bool is_fact_known(const struct view *view, fact_fn *fact)
{
	bool known = false;
	for (size_t i = 0; i < view->n; i++)
		known = known || fact(NULL, &view->runs[i]);
	return known;
}

void chart_facts(const struct view *view)
{
	FILE *out = view->out;
	view_begin_scroll(view, "facts");
	fputs("<table id=\"facts\">\n<thead><tr><th scope=\"col\">fact</th>", out);
	for (size_t i = 0; i < view->n; i++) {
		fprintf(out, "<th scope=\"col\" class=\"run-%zu\">", i + 1);
		view_put_sign(view, i);
		view_put_name(view, i);
		fputs("</th>", out);
	}
	fputs("</tr></thead>\n<tbody>\n", out);
	for (size_t row = 0; row < ARRAY_LEN(facts); row++) {
		if (!is_fact_known(view, facts[row].fact))
			continue;
		fprintf(out, "<tr><th scope=\"row\">%s</th>", facts[row].name);
		for (size_t i = 0; i < view->n; i++) {
			fprintf(out, "<td class=\"run-%zu\">", i + 1);
			if (!facts[row].fact(out, &view->runs[i]))
				fputs("–", out);
			fputs("</td>", out);
		}
		fputs("</tr>\n", out);
	}
	fputs("</tbody>\n</table></div>\n", out);
}
