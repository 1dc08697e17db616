/* SPDX-License-Identifier: MIT */
/*
 * A limit of --fail-if: an accepted one is printed and reads as the same. It can be judged on runs
 * with all figures and on runs with none. A rejected one gets one message.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "report/threshold.h"

/* A run with all figures, and a run with none. */
static void make_sides(struct run runs[2], struct sample samples[2])
{
	for (int i = 0; i < 2; i++) {
		int rc = run_open(&runs[i]);
		assert(rc == 0);
	}
	struct result *result = &runs[0].result;
	runs[1].format = RUN_HLOG;
	result->elapsed_ns = 1000000000;
	result->n_echoes = 3;
	result->bytes_sent = 5;
	histogram_record(&result->response, 1000);
	histogram_record(&result->response, 2000000);
	histogram_record(&result->service, 700);
	histogram_record(&result->lateness, 0);
	histogram_record(&result->connect, UINT64_MAX);
	for (int i = 0; i < 2; i++) {
		struct run_refusal why;
		int rc = sample_open(&runs[i], 1, &samples[i], &why);
		assert(rc == 0);
	}
}

static void check_verdicts(const struct threshold *threshold, const struct sample samples[2])
{
	for (int i = 0; i < 4; i++) {
		struct threshold_text text = { "" };
		enum threshold_verdict verdict =
			threshold_check(threshold, &samples[i & 1], &samples[i >> 1], &text);
		assert((verdict == THRESHOLD_HOLDS) == (text.text[0] == '\0'));
		/* Compared with itself, a run is neither more nor less: a limit of zero holds. */
		if (i == 0 && threshold->form != THRESHOLD_VALUE && threshold->limit == 0)
			assert(verdict == THRESHOLD_HOLDS);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct run runs[2];
	static struct sample samples[2];
	if (samples[0].n == 0)
		make_sides(runs, samples);
	struct fuzz_input input = { data, size };
	char *string = fuzz_string(&input);
	struct threshold first, again;
	struct threshold_text why = { "" };
	int rc = threshold_parse(string, strlen(string), &first, &why);
	if (rc < 0) {
		assert(rc == -EINVAL && why.text[0] != '\0');
	} else {
		rc = threshold_parse(first.text, strlen(first.text), &again, &why);
		assert(rc == 0 && memcmp(&first, &again, sizeof(first)) == 0);
		check_verdicts(&first, samples);
	}
	free(string);
	return 0;
}
