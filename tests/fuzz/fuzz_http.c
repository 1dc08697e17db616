/* SPDX-License-Identifier: MIT */
/*
 * Whatever an HTTP client sends gets exactly one response: after the end of the head, more bytes
 * change nothing. Only GET and HEAD get the page.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/hold/http.h"
#include "fuzz.h"

/* The memory has exactly n bytes, so that a sanitizer detects a read beyond it. */
static enum http_response choose(const uint8_t *data, size_t n)
{
	char *bytes = malloc(n > 0 ? n : 1);
	assert(bytes != NULL);
	if (n > 0)
		memcpy(bytes, data, n);
	enum http_response response = http_choose_response(bytes, n, "/metrics");
	free(bytes);
	return response;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t most = size < HTTP_HEAD_MAX ? size : HTTP_HEAD_MAX;
	enum http_response first = HTTP_MORE;
	for (size_t n = 0; n <= most; n++) {
		enum http_response response = choose(data, n);
		assert(first == HTTP_MORE || response == first);
		assert(response != HTTP_TOO_LONG || n == HTTP_HEAD_MAX);
		assert(response != HTTP_MORE || n < HTTP_HEAD_MAX);
		assert((strcmp(http_status(response), "200 OK") == 0) ==
		       (response == HTTP_PAGE || response == HTTP_PAGE_HEAD));
		first = response;
	}
	size_t blank = 0; /* an empty line before the request is accepted */
	if (most >= 1 && data[0] == '\n')
		blank = 1;
	else if (most >= 2 && memcmp(data, "\r\n", 2) == 0)
		blank = 2;
	if (first == HTTP_PAGE)
		assert(memcmp(data + blank, "GET ", 4) == 0);
	if (first == HTTP_PAGE_HEAD)
		assert(memcmp(data + blank, "HEAD ", 5) == 0);
	return 0;
}
