/* SPDX-License-Identifier: MIT */
#include "cli/bench_manual.h"

#include <stddef.h>

#include "cli/common_options.h"
#include "cli/target.h"

const char *const bench_description[] = {
	"Puts load on an echo server and reports how many echoes came back and how long they took. "
	"Every byte is compared. The payload depends on the seed, the connection and the offset, "
	"so that lost, repeated and changed bytes and those of another connection are "
	"distinguished.",
	"The default is a closed loop: each connection sends its next message when the last one is "
	"back. While the server stalls, no message is sent, so that a stall counts only once per "
	"connection (coordinated omission). With --rate it is an open loop: messages are due at "
	"fixed times, and their response times count from then.",
	"If the client was the limit, the report says so: such a run is no measurement of the "
	"server.",
	TARGET_PARAGRAPH,
	NULL,
};

static const char *const signals[] = {
	"INT (^C), TERM: end with the report. Messages in flight have a second to come back; after "
	"that they are unfinished, or failed if they have waited for longer than --wait. A signal "
	"has the same effect at the end of the run, when the last replies are awaited, which with "
	"--wait off has no limit. A second signal ends the run at once. Signals within 50 ms are "
	"one.",
	"QUIT (^\\): print a line of figures and continue.",
	COMMON_SIGNALS_BEFORE,
	NULL,
};

static const char *const failures[] = {
	"no_reply: a message was not back within --wait.",
	"mismatch: a byte was wrong; the first wrong byte is described.",
	("A server that is no echo server ends the run early with a diagnosis, as long as no "
	 "message has come back from it."),
	"ended: the server ended the connection.",
	("never_sent: a message was due and could not be sent, because earlier messages were not "
	 "back. It is not part of `sent'."),
	"no_fin: with --churn, the server did not close within --wait after our FIN.",
	"ERR_QUEUE_FULL: the accept queue of a unix socket was full for --wait.",
	"Other names are errors of the kernel, such as ECONNRESET and ECONNREFUSED.",
	("EADDRNOTAVAIL (no free port), EMFILE and similar errors are those of this machine: "
	 "status 4 if there are no others."),
	("If no message was in flight, as with no_fin, it is a connection error, and status 1 "
	 "too."),
	"After each failure the connection is opened again, unless --no-reconnect is given.",
	NULL,
};

static const char *const json[] = {
	COMMON_JSON_FACTS,
	"command, target, mode (closed or open), connections, size, depth, threads, seed, churn, "
	"warmup_seconds, rate_wanted (the value of --rate, or null): the parameters of the run.",
	COMMON_JSON_COUNTS,
	"response_us, service_us, lateness_us (schedule lag), connect_us: min, mean, p50, p90, "
	"p99, p99.9, p99.99 and max in microseconds, or null if empty.",
	"start_wanted: the time of --start-at in UTC, or null. start_late_us: how late the run "
	"began. clock: whether this machine's clock is synchronised, and max_error_us, its maximum "
	"error as estimated by the kernel (adjtimex(2)), or null.",
	COMMON_JSON_KERNEL,
	"client_cpu_share: share of a core that all threads used together. client_spin_share: "
	"share of a core spent on polling until messages were due. client_bound: why the client "
	"was the limit, or null.",
	"histogram, service_histogram, lateness_histogram, connect_histogram: every count of these "
	"times, in the compressed text of HdrHistogram, or null.",
	COMMON_JSON_SERIES,
	NULL,
};

const struct man_section bench_sections[] = {
	{ "SIGNALS", signals },
	{ "FAILURES", failures },
	{ "JSON", json },
	{ 0 },
};

const struct man_example bench_examples[] = {
	{ "tcpecho bench -c 64", "64 connections in a closed loop, for ten seconds." },
	{ "tcpecho bench -c 100 -r 5k -d 1m --json echo.example.org 7",
	  "Five thousand messages per second over a hundred connections; the result as JSON." },
	{ "tcpecho bench -c 64 --start-at 2026-11-26T12:00:00Z --json echo.example.org",
	  "Run on several machines, this load begins on all of them at the same time." },
	{ "tcpecho bench -c 32 --churn --source 192.0.2.8,192.0.2.9 echo.example.org 7",
	  "Many new connections, from twice as many ports as one address has." },
	{ "tcpecho bench -c 32 --churn -d 5s --max-p99 20ms",
	  "A new connection per message; status 1 if one in a hundred takes more than 20 ms." },
	{ 0 },
};

const char *const bench_diagnostics[] = {
	"the 99th percentile is 1234.5 us, more than 1ms",
	"812.0 echoes per second, fewer than 1000",
	"the client was the limit: a thread of the client used 99 % of a core",
	"--start-at 2026-11-26T12:00:00Z: is in the past, by this machine's clock",
	"The first two are status 1, the third is status 4 with --strict, the last is status 2.",
	NULL,
};
