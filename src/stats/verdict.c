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

static void make_text_printable(char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < ' ' || *text > '~')
			*text = '?';
	}
}

void verdict_make_printable(struct check_result *result)
{
	make_text_printable(result->name);
	make_text_printable(result->expected);
	make_text_printable(result->actual);
	make_text_printable(result->means);
}
