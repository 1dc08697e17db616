/* SPDX-License-Identifier: MIT */
#include "report/series_merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/histogram.h"
#include "report/hlog.h"

/* An interval of a part. */
struct piece {
	uint64_t bin;
	uint64_t start_ns, end_ns; /* in the time of the sum */
	const struct series_interval *interval;
};

struct pieces {
	struct piece *list;
	size_t n;
};

/* ---- which go together ---- */

static int by_bin(const void *a, const void *b)
{
	const struct piece *one = a, *other = b;
	if (one->bin != other->bin)
		return one->bin < other->bin ? -1 : 1;
	return one->start_ns < other->start_ns ? -1 : one->start_ns > other->start_ns;
}

/* The bins of so many nanoseconds; returns how many have something in them. */
static size_t sort_into_bins(struct pieces *pieces, uint64_t bin_ns)
{
	for (size_t i = 0; i < pieces->n; i++) {
		struct piece *piece = &pieces->list[i];
		piece->bin = (piece->start_ns + (piece->end_ns - piece->start_ns) / 2) / bin_ns;
	}
	qsort(pieces->list, pieces->n, sizeof(*pieces->list), by_bin);
	size_t n_bins = 0;
	for (size_t i = 0; i < pieces->n; i++)
		n_bins += i == 0 || pieces->list[i].bin != pieces->list[i - 1].bin;
	return n_bins;
}

MUST_USE static int collect(const struct series_part *parts, size_t n, struct pieces *ret_pieces,
			    uint64_t *ret_longest_ns)
{
	struct pieces pieces = { 0 };
	size_t n_all = 0;
	uint64_t longest_ns = 1;
	for (size_t i = 0; i < n; i++) {
		const struct series *series = parts[i].series;
		n_all += series->n;
		/* The first is as long as most: the last has what was left over. */
		if (series->n > 0 && series->list[0].length_ns > longest_ns)
			longest_ns = series->list[0].length_ns;
	}
	pieces.list = calloc(n_all > 0 ? n_all : 1, sizeof(*pieces.list));
	if (pieces.list == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < parts[i].series->n; j++) {
			const struct series_interval *interval = &parts[i].series->list[j];
			uint64_t start_ns = parts[i].start_ns + interval->start_ns;
			pieces.list[pieces.n++] = (struct piece){
				.start_ns = start_ns,
				.end_ns = start_ns + interval->length_ns,
				.interval = interval,
			};
		}
	}
	*ret_pieces = pieces;
	*ret_longest_ns = longest_ns;
	return 0;
}

/* ---- adding ---- */

struct adder {
	struct hlog *hlog;
	struct histogram response, service;
};

MUST_USE static int adder_open(struct adder *ret_adder)
{
	struct adder adder = { 0 };
	int rc = hlog_open(&adder.hlog);
	if (rc == 0)
		rc = histogram_open(&adder.response);
	if (rc == 0)
		rc = histogram_open(&adder.service);
	if (rc == 0) {
		*ret_adder = adder;
		return 0;
	}
	histogram_close(&adder.response);
	hlog_close(adder.hlog);
	return rc;
}

static void adder_close(struct adder *adder)
{
	histogram_close(&adder->service);
	histogram_close(&adder->response);
	hlog_close(adder->hlog);
}

/* Adds n pieces of one bin to an empty interval. */
MUST_USE static int add(struct adder *adder, const struct piece *pieces, size_t n,
			struct series_interval *sum)
{
	uint64_t end_ns = 0;
	int rc = 0;
	sum->start_ns = pieces[0].start_ns;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		const struct series_interval *interval = pieces[i].interval;
		end_ns = pieces[i].end_ns > end_ns ? pieces[i].end_ns : end_ns;
		sum->n_echoes += interval->n_echoes;
		sum->bytes_verified += interval->bytes_verified;
		sum->n_failures += interval->n_failures;
		rc = hlog_unpack(adder->hlog, interval->response, &adder->response);
		if (rc == 0)
			rc = hlog_unpack(adder->hlog, interval->service, &adder->service);
	}
	sum->length_ns = end_ns - sum->start_ns;
	if (rc == 0)
		rc = hlog_pack(adder->hlog, &adder->response, &sum->response);
	if (rc == 0)
		rc = hlog_pack(adder->hlog, &adder->service, &sum->service);
	return rc;
}

/* Where two overlap, the later begins where its bin does, and the earlier ends there. */
static void part_at(struct series_interval *earlier, struct series_interval *later,
		    uint64_t boundary_ns)
{
	uint64_t end_ns = later->start_ns + later->length_ns;
	if (earlier->start_ns + earlier->length_ns <= later->start_ns)
		return;
	earlier->length_ns = boundary_ns - earlier->start_ns;
	later->start_ns = boundary_ns;
	later->length_ns = end_ns - boundary_ns;
}

MUST_USE static int add_all(const struct pieces *pieces, uint64_t bin_ns, struct series *series)
{
	struct adder adder;
	int rc = adder_open(&adder);
	if (rc < 0)
		return rc;
	for (size_t i = 0, n; rc == 0 && i < pieces->n; i += n) {
		const struct piece *first = &pieces->list[i];
		for (n = 1; i + n < pieces->n && first[n].bin == first->bin; n++)
			continue;
		struct series_interval *sum = &series->list[series->n++];
		rc = add(&adder, first, n, sum);
		if (series->n > 1)
			part_at(sum - 1, sum, first->bin * bin_ns);
	}
	adder_close(&adder);
	return rc;
}

int series_merge(const struct series_part *parts, size_t n, struct series *ret_series)
{
	struct pieces pieces;
	struct series series = { 0 };
	uint64_t bin_ns;
	int rc = collect(parts, n, &pieces, &bin_ns);
	if (rc < 0)
		return rc;
	size_t n_bins;
	while ((n_bins = sort_into_bins(&pieces, bin_ns)) > SERIES_MERGE_MOST)
		bin_ns *= 2; /* it ends with all of them in one */
	series.list = calloc(n_bins > 0 ? n_bins : 1, sizeof(*series.list));
	rc = series.list != NULL ? add_all(&pieces, bin_ns, &series) : -ENOMEM;
	free(pieces.list);
	if (rc == 0)
		*ret_series = series;
	else
		series_close(&series);
	return rc;
}
