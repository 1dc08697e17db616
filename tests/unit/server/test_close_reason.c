/* SPDX-License-Identifier: MIT */
/* Every code has its reason, every reason its word, and every close its log line. */
#include "server/close_reason.h"

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
	enum close_reason reason;
} rows[] = {
	{ ECONNRESET, CLOSE_RESET },    { EPIPE, CLOSE_RESET },
	{ ECONNABORTED, CLOSE_RESET },

	{ ETIMEDOUT, CLOSE_TIMEOUT },   { EHOSTUNREACH, CLOSE_TIMEOUT },
	{ ENETUNREACH, CLOSE_TIMEOUT }, { EHOSTDOWN, CLOSE_TIMEOUT },
	{ ENETDOWN, CLOSE_TIMEOUT },

	{ ENOBUFS, CLOSE_ERROR },       { ENOMEM, CLOSE_ERROR },
	{ EBADF, CLOSE_ERROR },         { ENOTSOCK, CLOSE_ERROR },
	{ EIO, CLOSE_ERROR },
};

/* Returns the close reason in the table, or CLOSE_ERROR if the code is not in it. */
static enum close_reason expected_of(int error)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].error == error)
			return rows[i].reason;
	}
	return CLOSE_ERROR;
}

TEST(every_code_of_a_broken_connection_has_its_reason)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(close_reason_of_code(-rows[i].error), rows[i].reason);
	for (int error = 1; error <= EHWPOISON; error++)
		assert_int_equal(close_reason_of_code(-error), expected_of(error));
	assert_int_equal(close_reason_of_code(-5999), CLOSE_ERROR);
}

static struct unit_capture log_of;

/* 192.0.2.7:51334 */
static struct peer a_peer(void)
{
	struct addr addr = addr_wildcard(AF_INET, 51334);
	addr.v4.sin_addr.s_addr = htonl(0xc0000207);
	return peer_of(-1, &addr);
}

static const char *line_of(struct conn_record facts)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	conn_record_log(&facts, NULL);
	unit_capture_end(&log_of);
	return log_of.text;
}

TEST(an_ending_is_one_line)
{
	assert_string_equal(line_of((struct conn_record){
				    .peer = a_peer(),
				    .in = 120,
				    .out = 100,
				    .lasted_ns = 3214 * CLOCK_NS_PER_MS,
				    .reason = CLOSE_EOF,
			    }),
			    "end peer=192.0.2.7:51334 in=120 out=100 seconds=3.214 reason=eof\n");
}

TEST(every_reason_has_its_word)
{
	static const struct {
		enum close_reason reason;
		const char *rest;
	} words[] = {
		{ CLOSE_NONE, "reason=none\n" },
		{ CLOSE_EOF, "reason=eof\n" },
		{ CLOSE_RESET, "reason=reset\n" },
		{ CLOSE_TIMEOUT, "reason=timeout\n" },
		{ CLOSE_IDLE, "reason=idle\n" },
		{ CLOSE_DRAIN, "reason=drain\n" },
		{ CLOSE_SOURCE, "reason=source-limit\n" },
		{ CLOSE_FAULT, "reason=fault\n" },
		{ CLOSE_KILLED, "reason=killed signal=SIGKILL\n" },
		{ CLOSE_ERROR, "reason=error error=ENOBUFS\n" },
	};
#define X(name, word) +1
	assert_int_equal(ARRAY_LEN(words), 0 CLOSE_LIST(X));
#undef X
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const char *line = line_of((struct conn_record){
			.peer = a_peer(),
			.reason = words[i].reason,
			.code = -ENOBUFS,
			.signal = SIGKILL,
		});
		assert_string_equal(strstr(line, "reason="), words[i].rest);
	}
}

TEST(a_reason_that_cannot_be_has_none)
{
	static const int numbers[] = { CLOSE_ERROR + 1, INT32_MAX, -1, INT32_MIN };
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		const char *line = line_of((struct conn_record){
			.peer = a_peer(),
			.reason = (enum close_reason)numbers[i],
		});
		assert_string_equal(strstr(line, "reason="), "reason=?\n");
	}
}

TEST(in_json_it_is_one_object)
{
	log_setup(LOG_JSON, false);
	line_of((struct conn_record){
		.peer = a_peer(), .in = 1, .out = 2, .reason = CLOSE_KILLED, .signal = SIGSEGV });
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
