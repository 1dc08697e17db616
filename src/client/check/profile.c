/* SPDX-License-Identifier: MIT */
#include "client/check/profile.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/snippet.h"
#include "base/units.h"

/* The longest word of a line: names and values are much shorter. */
#define WORD_SIZE 32

struct profile_reader {
	const char *at, *end;
	size_t line; /* from 1 */
	struct reason *reason;
};

PRINTF_LIKE(2, 3)
static int refuse_line(const struct profile_reader *reader, const char *format, ...)
{
	struct reason *reason = reader->reason;
	int n = snprintf(reason->text, sizeof(reason->text), "line %zu: ", reader->line);
	va_list values;
	va_start(values, format);
	vsnprintf(reason->text + n, sizeof(reason->text) - (size_t)n, format, values);
	va_end(values);
	return -EINVAL;
}

/*
 * Reads the next word of the line into `word`: "" at the end of the line or before a comment.
 * Returns 0 or -EINVAL.
 */
MUST_USE static int read_word(struct profile_reader *reader, char word[WORD_SIZE])
{
	size_t n = 0;
	while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t'))
		reader->at++;
	while (reader->at < reader->end && !isspace((unsigned char)*reader->at) &&
	       *reader->at != '#' && *reader->at != '\0') {
		if (n == WORD_SIZE - 1)
			return refuse_line(reader, "a word is too long");
		word[n++] = *reader->at++;
	}
	word[n] = '\0';
	return 0;
}

/* Moves to the next line. Returns -EINVAL if more than a comment is left on this one. */
MUST_USE static int end_line(struct profile_reader *reader)
{
	char word[WORD_SIZE];
	int rc = read_word(reader, word);
	if (rc < 0)
		return rc;
	if (word[0] != '\0')
		return refuse_line(reader, "only one value is allowed, %s is too much",
				   snippet_quoted(word, strlen(word)).text);
	if (reader->at < reader->end && *reader->at == '#') {
		while (reader->at < reader->end && *reader->at != '\n')
			reader->at++;
	}
	while (reader->at < reader->end &&
	       (*reader->at == '\r' || *reader->at == '\v' || *reader->at == '\f'))
		reader->at++;
	if (reader->at < reader->end && *reader->at != '\n')
		return refuse_line(reader, "not a text file");
	reader->at += reader->at < reader->end;
	reader->line++;
	return 0;
}

MUST_USE static int parse_expectation(const struct profile_reader *reader, const char *word,
				      struct profile_line *line)
{
	static const struct {
		const char *word;
		enum verdict verdict;
	} verdicts[] = {
		{ "pass", VERDICT_PASS },
		{ "warn", VERDICT_WARN },
		{ "fail", VERDICT_FAIL },
		{ "skip", VERDICT_SKIP },
	};
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
		if (strcmp(word, verdicts[i].word) == 0) {
			line->verdict = verdicts[i].verdict;
			return 0;
		}
	}
	if (strncmp(word, ">=", 2) != 0)
		return refuse_line(reader, "%s is not pass, warn, fail, skip or >=VALUE",
				   snippet_quoted(word, strlen(word)).text);
	line->verdict = VERDICT_PASS;
	if (units_parse_count(word + 2, &line->at_least) < 0 &&
	    units_parse_duration(word + 2, &line->at_least) < 0)
		return refuse_line(reader, "%s is neither a number nor a time",
				   snippet_quoted(word + 2, strlen(word + 2)).text);
	return 0;
}

MUST_USE static int parse_line(struct profile_reader *reader, struct profile *profile)
{
	char name[WORD_SIZE], value[WORD_SIZE];
	int rc = read_word(reader, name);
	if (rc < 0)
		return rc;
	if (name[0] == '\0')
		return end_line(reader);
	int check = check_find(name);
	if (check < 0)
		return refuse_line(reader, "%s is not a check (see 'tcpecho check --list')",
				   snippet_quoted(name, strlen(name)).text);
	struct profile_line *line = &profile->lines[check];
	if (line->is_set)
		return refuse_line(reader, "%s is there twice", name);
	rc = read_word(reader, value);
	if (rc < 0)
		return rc;
	if (value[0] == '\0')
		return refuse_line(reader, "%s needs a value: pass, warn, fail, skip or >=VALUE",
				   name);
	line->is_set = true;
	rc = parse_expectation(reader, value, line);
	return rc < 0 ? rc : end_line(reader);
}

int profile_parse(const char *text, size_t n, struct profile *ret_profile,
		  struct reason *reterr_reason)
{
	struct profile profile = { 0 };
	struct profile_reader reader = {
		.at = text,
		.end = text + n,
		.line = 1,
		.reason = reterr_reason,
	};
	while (reader.at < reader.end) {
		int rc = parse_line(&reader, &profile);
		if (rc < 0)
			return rc;
	}
	*ret_profile = profile;
	return 0;
}

/* How bad a verdict is, for comparing; a skip is never a surprise. */
static int badness(enum verdict verdict)
{
	return verdict == VERDICT_FAIL ? 2 : verdict == VERDICT_WARN ? 1 : 0;
}

/* The check measures a value, whatever its own verdict about it is. */
static void judge_value(uint64_t at_least, bool is_time, struct check_result *result)
{
	bool is_enough = result->reached >= at_least;
	result->verdict = is_enough ? VERDICT_PASS : VERDICT_FAIL;
	result->means[0] = '\0';
	if (is_enough)
		result->expected[0] = '\0';
	else if (is_time)
		snprintf(result->expected, sizeof(result->expected), "at least %s",
			 units_duration(at_least).text);
	else
		snprintf(result->expected, sizeof(result->expected), "at least %" PRIu64, at_least);
}

void profile_apply(const struct profile *profile, size_t check, struct check_result *result)
{
	const struct profile_line *line = &profile->lines[check];
	if (!line->is_set || result->verdict == VERDICT_SKIP)
		return;
	if (line->at_least != 0)
		judge_value(line->at_least, checks[check].class == CHECK_SLOW, result);
	else if (result->verdict != VERDICT_PASS &&
		 badness(result->verdict) <= badness(line->verdict))
		result->verdict = VERDICT_TODO;
	else if (badness(result->verdict) < badness(line->verdict))
		result->is_surprise = true;
}

uint64_t profile_longest_ns(const struct profile *profile)
{
	uint64_t longest_ns = 0;
	for (size_t i = 0; i < check_count(); i++) {
		if (checks[i].class == CHECK_SLOW)
			longest_ns = clock_later_ns(longest_ns, profile->lines[i].at_least);
	}
	return longest_ns;
}

bool profile_skips(const struct profile *profile, size_t check)
{
	return profile->lines[check].is_set && profile->lines[check].verdict == VERDICT_SKIP;
}
