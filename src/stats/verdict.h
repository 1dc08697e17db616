/* SPDX-License-Identifier: MIT */
/*
 * Verdicts of `check`: one for each behaviour of an endpoint.
 */
#ifndef STATS_VERDICT_H
#define STATS_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum verdict {
	VERDICT_PASS,
	VERDICT_WARN, /* it works, but not as well as it should */
	VERDICT_FAIL,
	VERDICT_SKIP, /* not tried, or not possible from here */
	VERDICT_TODO, /* a failure that the profile expects */
	VERDICTS
};

/* What one check has found. Texts are one line, without control characters. */
struct check_result {
	char name[24]; /* of the check */
	enum verdict verdict;
	bool is_surprise;   /* it passed, but the profile expects a failure */
	char expected[512]; /* only for WARN, FAIL and TODO */
	char actual[512];   /* what was seen; for SKIP: why it was skipped */
	char means[256];    /* what a failure usually means, "" if there is nothing to say */
	uint64_t reached;   /* of a check with a value: ns, or a number */
	uint64_t took_ns;
	bool has_offset; /* a byte was wrong */
	uint64_t offset; /* the first wrong byte */
};

/*
 * Replaces each byte of the texts that is not printable ASCII by '?', so that every format can hold
 * them. A text that was cut may end within a character.
 */
void verdict_make_printable(struct check_result *result);

/* Returns "PASS", "WARN" and so on. */
const char *verdict_name(enum verdict verdict);

/* Returns how many of n results have a verdict. */
size_t verdict_count(const struct check_result *results, size_t n, enum verdict verdict);

#endif
