/* SPDX-License-Identifier: MIT */
/*
 * Every code has its reason, every reason its word, and every ending its line.
 */
#include "server/ending.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "unit.h"

static const struct {
	int error;
	enum ending ending;
} rows[] = {
	{ ECONNRESET, ENDING_RESET },    { EPIPE, ENDING_RESET },
	{ ECONNABORTED, ENDING_RESET },

	{ ETIMEDOUT, ENDING_TIMEOUT },   { EHOSTUNREACH, ENDING_TIMEOUT },
	{ ENETUNREACH, ENDING_TIMEOUT }, { EHOSTDOWN, ENDING_TIMEOUT },
	{ ENETDOWN, ENDING_TIMEOUT },

	{ ENOBUFS, ENDING_ERROR },       { ENOMEM, ENDING_ERROR },
	{ EBADF, ENDING_ERROR },         { ENOTSOCK, ENDING_ERROR },
	{ EIO, ENDING_ERROR },
};

/* The ending of the table, or an error when it is not there. */
static enum ending expected_of(int error)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].error == error)
			return rows[i].ending;
	}
	return ENDING_ERROR;
}

TEST(every_code_of_a_broken_connection_has_its_reason)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(ending_of_code(-rows[i].error), rows[i].ending);
	for (int error = 1; error <= EHWPOISON; error++)
		assert_int_equal(ending_of_code(-error), expected_of(error));
	assert_int_equal(ending_of_code(-5999), ENDING_ERROR);
}

static struct unit_capture log_of;

/* 192.0.2.7:51334 */
static struct peer somebody(void)
{
	struct addr addr = addr_wildcard(AF_INET, 51334);
	addr.v4.sin_addr.s_addr = htonl(0xc0000207);
	return peer_of(-1, &addr);
}

static const char *line_of(struct ending_facts facts)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	ending_log(&facts);
	unit_capture_end(&log_of);
	return log_of.text;
}

TEST(an_ending_is_one_line)
{
	assert_string_equal(line_of((struct ending_facts){
				    .peer = somebody(),
				    .in = 120,
				    .out = 100,
				    .lasted_ns = 3214 * CLOCK_NS_PER_MS,
				    .reason = ENDING_EOF,
			    }),
			    "end peer=192.0.2.7:51334 in=120 out=100 seconds=3.214 reason=eof\n");
}

TEST(every_reason_has_its_word)
{
	static const struct {
		enum ending reason;
		const char *rest;
	} words[] = {
		{ ENDING_NONE, "reason=none\n" },
		{ ENDING_EOF, "reason=eof\n" },
		{ ENDING_RESET, "reason=reset\n" },
		{ ENDING_TIMEOUT, "reason=timeout\n" },
		{ ENDING_IDLE, "reason=idle\n" },
		{ ENDING_DRAIN, "reason=drain\n" },
		{ ENDING_SOURCE, "reason=source-limit\n" },
		{ ENDING_KILLED, "reason=killed signal=SIGKILL\n" },
		{ ENDING_ERROR, "reason=error error=ENOBUFS\n" },
	};
#define X(name, word) +1
	assert_int_equal(ARRAY_LEN(words), 0 ENDING_LIST(X));
#undef X
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const char *line = line_of((struct ending_facts){
			.peer = somebody(),
			.reason = words[i].reason,
			.code = -ENOBUFS,
			.signal = SIGKILL,
		});
		assert_string_equal(strstr(line, "reason="), words[i].rest);
	}
}

TEST(a_reason_that_cannot_be_has_none)
{
	static const int numbers[] = { ENDING_ERROR + 1, INT32_MAX, -1, INT32_MIN };
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		const char *line = line_of((struct ending_facts){
			.peer = somebody(),
			.reason = (enum ending)numbers[i],
		});
		assert_string_equal(strstr(line, "reason="), "reason=?\n");
	}
}

TEST(in_json_it_is_one_object)
{
	log_setup(LOG_JSON, false);
	line_of((struct ending_facts){ .peer = somebody(),
				       .in = 1,
				       .out = 2,
				       .reason = ENDING_KILLED,
				       .signal = SIGSEGV });
	log_setup(LOG_TEXT, false);
	assert_string_equal(log_of.text, "{\"event\":\"end\",\"peer\":\"192.0.2.7:51334\","
					 "\"in\":1,\"out\":2,"
					 "\"seconds\":0.000,\"reason\":\"killed\","
					 "\"signal\":\"SIGSEGV\"}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_of_a_broken_connection_has_its_reason),
		cmocka_unit_test(an_ending_is_one_line),
		cmocka_unit_test(every_reason_has_its_word),
		cmocka_unit_test(a_reason_that_cannot_be_has_none),
		cmocka_unit_test(in_json_it_is_one_object),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
