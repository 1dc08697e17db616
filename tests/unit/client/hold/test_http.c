/* SPDX-License-Identifier: MIT */
/* Well-formed and malformed requests. */
#include "client/hold/http.h"

#include <string.h>

#include "unit.h"

static enum http_response judge(const char *request)
{
	return http_choose_response(request, strlen(request), "/metrics");
}

static void assert_answer(const char *request, enum http_response answer)
{
	assert_int_equal(judge(request), answer);
	/* Wherever the request is cut in two, it is not answered before it is complete. */
	for (size_t n = 0; n < strlen(request); n++) {
		enum http_response early = http_choose_response(request, n, "/metrics");
		if (early != HTTP_MORE)
			assert_true(n >= strlen(request) - 1); /* the last byte may be optional */
	}
}

TEST(the_page_is_at_its_path)
{
	assert_answer("GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n", HTTP_PAGE);
	assert_answer("GET /metrics HTTP/1.0\r\n\r\n", HTTP_PAGE);
	assert_answer("GET /metrics?name=x HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_PAGE);
	assert_answer("GET http://host:9/metrics HTTP/1.1\r\nHost: host:9\r\n\r\n", HTTP_PAGE);
	assert_answer("HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_PAGE_HEAD);
}

TEST(line_feeds_alone_and_an_empty_line_before_are_forgiven)
{
	assert_answer("GET /metrics HTTP/1.1\nHost: a\n\n", HTTP_PAGE);
	assert_answer("\r\nGET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_PAGE);
}

TEST(there_is_nothing_else)
{
	assert_answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_NOT_FOUND);
	assert_answer("GET /metrics/x HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_NOT_FOUND);
	assert_answer("GET http://host HTTP/1.1\r\nHost: host\r\n\r\n", HTTP_NOT_FOUND);
	assert_answer("GET http:// HTTP/1.1\r\nHost: host\r\n\r\n", HTTP_NOT_FOUND);
	assert_answer("POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD_METHOD);
	assert_answer("get /metrics HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD_METHOD);
}

TEST(what_is_no_http_gets_an_error_response)
{
	assert_answer("GET /metrics\r\n\r\n", HTTP_BAD);
	assert_answer("GET /metrics HTTP/2.0\r\n\r\n", HTTP_BAD);
	assert_answer("GET /metrics HTTP/1.1 x\r\n\r\n", HTTP_BAD);
	assert_answer(" /metrics HTTP/1.1\r\n\r\n", HTTP_BAD);
	assert_answer("hello\n\n", HTTP_BAD);
}

TEST(a_head_without_an_end_is_too_long_when_there_is_no_more_room)
{
	char request[HTTP_HEAD_MAX];
	memset(request, 'x', sizeof(request));
	assert_int_equal(http_choose_response(request, sizeof(request) - 1, "/metrics"), HTTP_MORE);
	assert_int_equal(http_choose_response(request, sizeof(request), "/metrics"), HTTP_TOO_LONG);
	memset(request, '\n', sizeof(request));
	assert_int_equal(http_choose_response(request, sizeof(request), "/metrics"), HTTP_BAD);
}

TEST(each_answer_has_its_status)
{
	assert_string_equal(http_status(HTTP_PAGE), "200 OK");
	assert_string_equal(http_status(HTTP_PAGE_HEAD), "200 OK");
	assert_string_equal(http_status(HTTP_BAD), "400 Bad Request");
	assert_string_equal(http_status(HTTP_NOT_FOUND), "404 Not Found");
	assert_string_equal(http_status(HTTP_BAD_METHOD), "405 Method Not Allowed");
	assert_string_equal(http_status(HTTP_TOO_LONG), "431 Request Header Fields Too Large");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_is_at_its_path),
		cmocka_unit_test(line_feeds_alone_and_an_empty_line_before_are_forgiven),
		cmocka_unit_test(there_is_nothing_else),
		cmocka_unit_test(what_is_no_http_gets_an_error_response),
		cmocka_unit_test(a_head_without_an_end_is_too_long_when_there_is_no_more_room),
		cmocka_unit_test(each_answer_has_its_status),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
