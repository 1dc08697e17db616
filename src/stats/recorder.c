/* SPDX-License-Identifier: MIT */
#include "stats/recorder.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Maximum number of pairs folded per call, because a measurement may have to wait. */
#define FOLDS_MAX 4

_Static_assert(RECORDER_INTERVALS_MAX % 2 == 0, "all of them have a neighbour");

int recorder_open(struct recorder *ret_recorder)
{
	struct recorder recorder = { .n_parts = 1, .n_bytes_max = TIME_SERIES_BYTES_MAX };
	int rc = hlog_open_quick(&recorder.hlog); /* other threads measure at the same time */
	if (rc == 0)
		rc = histogram_open(&recorder.response);
	if (rc == 0)
		rc = histogram_open(&recorder.service);
	recorder.series.list = calloc(RECORDER_INTERVALS_MAX, sizeof(*recorder.series.list));
	if (recorder.series.list == NULL)
		rc = -ENOMEM;
	if (rc < 0)
		recorder_close(&recorder);
	else
		*ret_recorder = recorder;
	return rc;
}

void recorder_close(struct recorder *recorder)
{
	time_series_close(&recorder->series);
	histogram_close(&recorder->response);
	histogram_close(&recorder->service);
	hlog_close(recorder->hlog);
	*recorder = (struct recorder){ 0 };
}

/* ---- packing ---- */

static void recorder_unpack(struct recorder *recorder, const char *packed, struct histogram *into)
{
	int rc = hlog_unpack(recorder->hlog, packed, into);
	assert(rc == 0); /* it was packed here */
}

/* Adds the counts of two intervals. `a` is the earlier one. */
static struct time_series_interval recorder_sum(const struct time_series_interval *a,
						const struct time_series_interval *b)
{
	return (struct time_series_interval){
		.start_ns = a->start_ns,
		.length_ns = b->start_ns + b->length_ns - a->start_ns,
		.n_echoes = a->n_echoes + b->n_echoes,
		.n_unfinished = a->n_unfinished + b->n_unfinished,
		.bytes_verified = a->bytes_verified + b->bytes_verified,
		.n_failures = a->n_failures + b->n_failures,
	};
}

/*
 * Packs both histograms of the recorder into an interval, and resets them. In a closed loop both
 * are equal, so it is done only once.
 */
MUST_USE static int pack_both(struct recorder *recorder, struct time_series_interval *interval)
{
	bool is_one =
		recorder->service.n > 0 && histogram_same(&recorder->service, &recorder->response);
	int rc = hlog_pack(recorder->hlog, &recorder->response, &interval->response);
	if (rc < 0 || !is_one)
		return rc < 0 ? rc
			      : hlog_pack(recorder->hlog, &recorder->service, &interval->service);
	assert(interval->response != NULL); /* it was not empty */
	histogram_reset(&recorder->service);
	interval->service = strdup(interval->response);
	return interval->service != NULL ? 0 : -ENOMEM;
}

/* Adds interval i + 1 to interval i. Nothing may be pending. */
MUST_USE static int fold(struct recorder *recorder, size_t i)
{
	struct time_series *series = &recorder->series;
	struct time_series_interval *pair = &series->list[i];
	struct time_series_interval sum = recorder_sum(&pair[0], &pair[1]);
	recorder->n_bytes -=
		time_series_interval_bytes(&pair[0]) + time_series_interval_bytes(&pair[1]);
	assert(recorder->response.n == 0 && recorder->service.n == 0);
	for (int k = 0; k < 2; k++) {
		recorder_unpack(recorder, pair[k].response, &recorder->response);
		recorder_unpack(recorder, pair[k].service, &recorder->service);
		free(pair[k].response);
		free(pair[k].service);
		pair[k].response = pair[k].service = NULL;
	}
	int rc = pack_both(recorder, &sum);
	recorder->n_bytes += time_series_interval_bytes(&sum);
	pair[0] = sum;
	series->n--;
	memmove(&pair[1], &pair[2], (series->n - i - 1) * sizeof(*pair));
	series->list[series->n] = (struct time_series_interval){ 0 };
	return rc;
}

MUST_USE static int fold_next(struct recorder *recorder)
{
	int rc = fold(recorder, recorder->n_folded);
	recorder->n_folded++;
	recorder->n_unfolded -= 2;
	return rc;
}

/* ---- the interval in progress ---- */

static bool recorder_is_full(const struct recorder *recorder)
{
	return recorder->series.n == RECORDER_INTERVALS_MAX ||
	       recorder->n_bytes > recorder->n_bytes_max;
}

/* Ends the interval in progress. Folds others if the series is full. */
MUST_USE static int end_interval(struct recorder *recorder)
{
	struct time_series *series = &recorder->series;
	struct time_series_interval ended = recorder->pending;
	recorder->n_pending = 0;
	int rc = pack_both(recorder, &ended);
	for (int i = 0;
	     rc == 0 && i < FOLDS_MAX && recorder_is_full(recorder) && recorder->n_unfolded > 0;
	     i++)
		rc = fold_next(recorder);
	if (rc < 0) {
		free(ended.response);
		free(ended.service);
		return rc;
	}
	series->list[series->n++] = ended;
	recorder->n_bytes += time_series_interval_bytes(&ended);
	/* All intervals have the same length now, and each has a neighbour. */
	if (recorder_is_full(recorder) && recorder->n_unfolded == 0 && series->n % 2 == 0) {
		recorder->n_parts *= 2;
		recorder->n_folded = 0;
		recorder->n_unfolded = series->n;
	}
	return 0;
}

int recorder_add(struct recorder *recorder, uint64_t start_ns, uint64_t length_ns,
		 const struct result *interval)
{
	const struct time_series_interval next = {
		.start_ns = start_ns,
		.length_ns = length_ns,
		.n_echoes = interval->n_echoes,
		.n_unfinished = interval->n_unfinished,
		.bytes_verified = interval->bytes_verified,
		.n_failures = result_failures(interval),
	};
	recorder->pending =
		recorder->n_pending == 0 ? next : recorder_sum(&recorder->pending, &next);
	histogram_merge(&recorder->response, &interval->response);
	histogram_merge(&recorder->service, &interval->service);
	return ++recorder->n_pending < recorder->n_parts ? 0 : end_interval(recorder);
}

int recorder_finish(struct recorder *recorder, struct time_series *ret_series)
{
	struct time_series *series = &recorder->series;
	int rc = recorder->n_pending > 0 ? end_interval(recorder) : 0;
	/* Finish folding, so that all have the same length. */
	while (rc == 0 && recorder->n_folded > 0 && recorder->n_unfolded > 0)
		rc = fold_next(recorder);
	size_t n = series->n;
	if (rc == 0 && n > 1 && series->list[n - 1].length_ns < series->list[n - 2].length_ns / 2)
		rc = fold(recorder, n - 2);
	if (rc < 0)
		return rc;
	*ret_series = *series;
	*series = (struct time_series){ 0 };
	return 0;
}
