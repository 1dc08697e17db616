/* SPDX-License-Identifier: MIT */
#include "cli/bench_manual.h"

#include <stddef.h>

#include "cli/common_options.h"
#include "cli/target.h"

const char *const bench_description[] = {
	"Puts load on an echo server and reports how many echoes came back and how long they took. "
	"Every byte is compared, always: the payload depends on the seed, the connection and the "
	"offset, so that a byte that is lost, doubled, changed or somebody else's is told apart.",
	"By default it is a closed loop: each connection sends its next message when the last is "
	"back. While the server stands still nobody asks anything of it, so its worst moments are "
	"counted once for each connection (coordinated omission). With --rate it is an open loop: "
	"messages are due at fixed times, and count from then.",
	"A run in which the client was the limit says so, and is no measurement of the server.",
	TARGET_PARAGRAPH,
	NULL,
};

static const char *const signals[] = {
	"INT (^C), TERM: end, with the report of what was done. What is under way has a second to "
	"come back; then it is unfinished, or failed if it is older than --wait. The same where "
	"the time is over and the last replies are awaited, which with --wait off may last for "
	"ever. A second signal ends it at once; signals within 50 ms are one.",
	"QUIT (^\\): print a line of figures, and go on.",
	COMMON_SIGNALS_BEFORE,
	NULL,
};

static const char *const failures[] = {
	"no_reply: a message was not back within --wait.",
	"mismatch: a byte was wrong; the first of them is described.",
	("A server that is no echo at all ends the run early, with what it is, as long as no "
	 "message has come back from it."),
	"ended: the server ended the connection.",
	("never_sent: a message was due and could not be sent at all, because those before it were "
	 "not back. It is not in `sent'."),
	"no_fin: with --churn, the server did not close within --wait after us.",
	"ERR_QUEUE_FULL: the queue of a unix socket stayed full for --wait.",
	"Others are the names of errors that the kernel has, as ECONNRESET and ECONNREFUSED.",
	"EADDRNOTAVAIL (no free port), EMFILE and their like: this machine's, status 4 if alone.",
	("Where no message was under way, as in no_fin, they are connection errors, and status 1 "
	 "too."),
	"After each of them its connection is opened again, unless --no-reconnect is given.",
	NULL,
};

static const char *const json[] = {
	COMMON_JSON_FACTS,
	"command, target, mode (closed or open), connections, size, depth, threads, seed, churn, "
	"warmup_seconds: what was run; rate_wanted: the rate that was asked for, or null.",
	COMMON_JSON_COUNTS,
	"response_us, service_us, lateness_us, connect_us: min, mean, p50, p90, p99, p99.9, p99.99 "
	"and max in microseconds, or null where there were none.",
	"start_wanted: what --start-at said, in UTC, or null; start_late_us: the run began so long "
	"after it; clock: whether this machine's clock is synchronised, and how wrong it may be "
	"then, max_error_us, by the kernel's estimate (adjtimex(2)), or null.",
	COMMON_JSON_KERNEL,
	"client_cpu_share: of a core, all threads together; client_spin_share: the part of it "
	"spent waiting without sleeping for messages to be due; client_bound: why the client was "
	"the limit, or null.",
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
	{ "tcpecho bench -c 64", "64 connections, as fast as the server goes, for ten seconds." },
	{ "tcpecho bench -c 100 -r 5k -d 1m --json echo.example.org 7",
	  "Five thousand messages per second over a hundred connections, for a program to read." },
	{ "tcpecho bench -c 64 --start-at 2026-11-26T12:00:00Z --json echo.example.org",
	  "The same on several machines: they begin together." },
	{ "tcpecho bench -c 32 --churn --source 192.0.2.8,192.0.2.9 echo.example.org 7",
	  "Many new connections to another machine: twice as many ports as one address has." },
	{ "tcpecho bench -c 32 --churn -d 5s --max-p99 20ms",
	  "New connections all the time; status 1 if one in a hundred takes more than 20 ms." },
	{ 0 },
};

const char *const bench_diagnostics[] = {
	"the 99th percentile is 1234.5 us, more than 1ms",
	"812.0 echoes per second, fewer than 1000",
	"the client was the limit: a thread of the client used 99 % of its core",
	"--start-at 2026-11-26T12:00:00Z: is over, by this machine's clock",
	"The first two are status 1, the third, with --strict, status 4, the last 2.",
	NULL,
};
