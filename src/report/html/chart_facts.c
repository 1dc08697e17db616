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

PRINTF_LIKE(2, 3) static bool fact_say(FILE *out, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	if (out != NULL)
		vfprintf(out, format, values);
	va_end(values);
	return true;
}

static bool say_text(FILE *out, const char *text)
{
	if (text == NULL || text[0] == '\0')
		return false;
	if (out != NULL)
		format_put_text(out, text);
	return true;
}

/* Writes a number for which 0 means unknown. */
static bool say_count(FILE *out, uint64_t n)
{
	return n != 0 && fact_say(out, "%s", format_count(n).text);
}

/* Writes a number that may be 0, if the format of the run contains it. */
static bool say_counted(FILE *out, const struct run *run, uint64_t n)
{
	return run->format == RUN_TCPECHO && fact_say(out, "%s", format_count(n).text);
}

/* ---- source, place, time ---- */

static bool source(FILE *out, const struct run *run)
{
	switch (run->format) {
	case RUN_HLOG:
		return fact_say(out, "HdrHistogram log");
	case RUN_HGRM:
		return fact_say(out, "HdrHistogram percentiles (no counts)");
	case RUN_FORTIO:
		return fact_say(out, "fortio (coarse buckets)");
	case RUN_TCPECHO:
		break;
	}
	return fact_say(out, "tcpecho ") && (say_text(out, run->facts.version) || true);
}

static bool merged(FILE *out, const struct run *run)
{
	return run->n_merged > 1 && say_count(out, run->n_merged);
}

static bool command_line(FILE *out, const struct run *run)
{
	return say_text(out, run->facts.command_line);
}

static bool start(FILE *out, const struct run *run)
{
	return run->facts.start_ns != 0 &&
	       fact_say(out, "%s", format_moment(run->facts.start_ns).text);
}

static bool measured(FILE *out, const struct run *run)
{
	return run->result.elapsed_ns != 0 &&
	       fact_say(out, "%s", format_seconds(clock_s(run->result.elapsed_ns)).text);
}

static bool host(FILE *out, const struct run *run)
{
	return say_text(out, run->facts.host);
}

static bool kernel(FILE *out, const struct run *run)
{
	return say_text(out, run->facts.kernel);
}

static bool cpu(FILE *out, const struct run *run)
{
	return say_text(out, run->facts.cpu);
}

static bool cpus(FILE *out, const struct run *run)
{
	return say_count(out, run->facts.n_cpus);
}

/* ---- parameters ---- */

static bool target(FILE *out, const struct run *run)
{
	return say_text(out, run->target);
}

static bool mode(FILE *out, const struct run *run)
{
	return say_text(out, run->mode);
}

static bool wanted(FILE *out, const struct run *run)
{
	return run->rate_wanted != 0 && fact_say(out, "%s/s", format_count(run->rate_wanted).text);
}

static bool connections(FILE *out, const struct run *run)
{
	return say_count(out, run->n_connections);
}

static bool size(FILE *out, const struct run *run)
{
	return run->size != 0 && fact_say(out, "%s", units_bytes(run->size).text);
}

static bool depth(FILE *out, const struct run *run)
{
	return say_count(out, run->depth);
}

static bool threads(FILE *out, const struct run *run)
{
	return say_count(out, run->n_threads);
}

static bool churn(FILE *out, const struct run *run)
{
	return run->churns && fact_say(out, "a connection for each message");
}

static bool seed(FILE *out, const struct run *run)
{
	bool has_one = run->n_merged == 1 || run->seed != 0; /* a sum may have several seeds */
	return run->format == RUN_TCPECHO && has_one && fact_say(out, "%" PRIu64, run->seed);
}

/* ---- results ---- */

static bool sent(FILE *out, const struct run *run)
{
	return say_counted(out, run, run->result.n_sent);
}

static bool echoes(FILE *out, const struct run *run)
{
	return say_counted(out, run, run->result.n_echoes);
}

static bool rate(FILE *out, const struct run *run)
{
	return run->result.elapsed_ns > 0 &&
	       fact_say(out, "%s", format_rate(result_rate(&run->result)).text);
}

static bool verified(FILE *out, const struct run *run)
{
	return run->format == RUN_TCPECHO &&
	       fact_say(out, "%s of %s", units_bytes(run->result.bytes_verified).text,
			units_bytes(run->result.bytes_sent).text);
}

static bool missing(FILE *out, const struct run *run)
{
	return say_counted(out, run, result_missing(&run->result));
}

static bool wrong(FILE *out, const struct run *run)
{
	return say_counted(out, run, run->result.n_mismatches);
}

static bool first_wrong(FILE *out, const struct run *run)
{
	return say_text(out, run->result.first_mismatch);
}

static bool wrong_bytes(FILE *out, const struct run *run)
{
	return say_counted(out, run, run->result.wrong_bytes);
}

static bool say_names(FILE *out, const struct run *run, const struct result_failure *list, size_t n)
{
	if (n == 0)
		return say_counted(out, run, 0);
	for (size_t i = 0; i < n; i++) {
		fact_say(out, i == 0 ? "" : ", ");
		say_text(out, list[i].name);
		fact_say(out, " %s", format_count(list[i].n).text);
	}
	return true;
}

static bool failures(FILE *out, const struct run *run)
{
	return say_names(out, run, run->result.failures, run->result.n_failures);
}

static bool connection_errors(FILE *out, const struct run *run)
{
	return say_names(out, run, run->result.connection_errors, run->result.n_connection_errors);
}

static bool failed(FILE *out, const struct run *run)
{
	return say_counted(out, run, result_failed(&run->result));
}

static bool unfinished(FILE *out, const struct run *run)
{
	return say_counted(out, run, run->result.n_unfinished);
}

static bool opened(FILE *out, const struct run *run)
{
	return say_count(out, run->result.n_connections);
}

/* ---- connections and client ---- */

static bool congestion(FILE *out, const struct run *run)
{
	return say_text(out, run->facts.congestion_control);
}

static bool mss(FILE *out, const struct run *run)
{
	return run->facts.mss != 0 && fact_say(out, "%s bytes", format_count(run->facts.mss).text);
}

static bool round_trip(FILE *out, const struct run *run)
{
	return run->has_kernel && fact_say(out, "%s smoothed, %s deviation, %s least",
					   format_time(run->kernel.rtt_ns).text,
					   format_time(run->kernel.rtt_var_ns).text,
					   format_time(run->kernel.rtt_min_ns).text);
}

static bool retransmits(FILE *out, const struct run *run)
{
	return run->has_kernel && fact_say(out, "%s", format_count(run->kernel.n_retransmits).text);
}

static bool share(FILE *out, const struct run *run)
{
	return run->cpu_share > 0 && fact_say(out, "%.0f %% of a core", run->cpu_share * 100);
}

static bool bound(FILE *out, const struct run *run)
{
	return say_text(out, run->client_bound);
}

/* ---- the table ---- */

static const struct {
	const char *name;
	fact_fn *fact;
} facts[] = {
	{ "from", source },
	{ "runs added", merged },
	{ "command line", command_line },
	{ "start", start },
	{ "measured for", measured },
	{ "host", host },
	{ "kernel", kernel },
	{ "CPU", cpu },
	{ "CPUs", cpus },
	{ "target", target },
	{ "loop", mode },
	{ "rate wanted", wanted },
	{ "connections at a time", connections },
	{ "connections opened", opened },
	{ "churn", churn },
	{ "message", size },
	{ "messages in flight on each", depth },
	{ "threads", threads },
	{ "seed", seed },
	{ "messages sent", sent },
	{ "came back", echoes },
	{ "failed", failed },
	{ "unfinished", unfinished },
	{ "rate", rate },
	{ "bytes compared, of those sent", verified },
	{ "bytes missing", missing },
	{ "wrong bytes", wrong_bytes },
	{ "connections with a wrong byte", wrong },
	{ "the first of them", first_wrong },
	{ "failures", failures },
	{ "connection errors", connection_errors },
	{ "congestion control", congestion },
	{ "segment (MSS)", mss },
	{ "the kernel's round trip (TCP_INFO)", round_trip },
	{ "segments sent again", retransmits },
	{ "CPU of the client, all threads", share },
	{ "the client was the limit", bound },
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
