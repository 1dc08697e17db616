/* SPDX-License-Identifier: MIT */
#include "stats/verdict.h"

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[VERDICTS] = { "PASS", "WARN", "FAIL", "SKIP", "TODO" };
	return names[verdict];
}

size_t verdict_count(const struct check_result *results, size_t n, enum verdict verdict)
{
	size_t count = 0;
	for (size_t i = 0; i < n; i++)
		count += results[i].verdict == verdict;
	return count;
}
