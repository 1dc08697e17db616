/* SPDX-License-Identifier: MIT */
/*
 * Reads times in nanoseconds from standard input, one a line, and writes them as a log to standard
 * output; an empty line ends an interval of a second. After each interval comes a line, which is a
 * comment for readers of logs. It has our figures for the interval and for all intervals so far:
 *
 * 	# NUMBER LARGEST P50 P90 NUMBER LARGEST P50 P90 P99 P99.9 P99.99
 *
 * usage: write_hlog [TAG]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "stats/hlog.h"

#define START_NS UINT64_C(1792236345000000000)

static void write_figures(const struct histogram *histogram, size_t n_percents)
{
	static const double percents[] = { 50, 90, 99, 99.9, 99.99 };
	printf(" %" PRIu64 " %" PRIu64, histogram->n, histogram->max_ns);
	for (size_t i = 0; i < n_percents; i++)
		printf(" %" PRIu64, histogram_percentile_ns(histogram, percents[i]));
}

int main(int argc, char **argv)
{
	struct hlog *hlog;
	struct histogram part, all;
	struct hlog_interval interval = {
		.tag = argc > 1 ? argv[1] : NULL,
		.length_ns = CLOCK_NS_PER_S,
	};
	if (hlog_open(&hlog) < 0 || histogram_open(&part) < 0 || histogram_open(&all) < 0)
		return EXIT_FAILURE;

	fputs(hlog_head(hlog, START_NS), stdout);
	char line[64];
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (line[0] != '\n') {
			histogram_record(&part, strtoull(line, NULL, 10));
			continue;
		}
		histogram_merge(&all, &part);
		fputs(hlog_line(hlog, &interval, &part), stdout);
		printf("#");
		write_figures(&part, 2);
		write_figures(&all, 5);
		printf("\n");
		histogram_reset(&part);
		interval.start_ns += interval.length_ns;
	}

	histogram_close(&all);
	histogram_close(&part);
	hlog_close(hlog);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
