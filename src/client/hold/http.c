/* SPDX-License-Identifier: MIT */
#include "client/hold/http.h"

#include <stdbool.h>
#include <string.h>

/* A part of the request line, not terminated. */
struct word {
	const char *at;
	size_t n;
};

static bool word_is(struct word word, const char *text)
{
	return word.n == strlen(text) && memcmp(word.at, text, word.n) == 0;
}

static bool begins(struct word word, const char *text)
{
	size_t n = strlen(text);
	return word.n >= n && memcmp(word.at, text, n) == 0;
}

/* Takes the text up to the next space from a line, or all of it. */
static struct word take_word(struct word *line)
{
	const char *space = memchr(line->at, ' ', line->n);
	struct word word = { line->at, space != NULL ? (size_t)(space - line->at) : line->n };
	size_t used = space != NULL ? word.n + 1 : word.n;
	line->at += used;
	line->n -= used;
	return word;
}

/* Takes a line. A bare line feed ends a line as well (RFC 9112 2.2). */
static struct word http_take_line(struct word *rest)
{
	const char *end = memchr(rest->at, '\n', rest->n);
	struct word line = { rest->at, end != NULL ? (size_t)(end - rest->at) : rest->n };
	size_t used = end != NULL ? line.n + 1 : line.n;
	rest->at += used;
	rest->n -= used;
	if (line.n > 0 && line.at[line.n - 1] == '\r')
		line.n--;
	return line;
}

/* Returns true if the empty line after the header fields has arrived. */
static bool is_whole(struct word rest)
{
	while (memchr(rest.at, '\n', rest.n) != NULL) {
		if (http_take_line(&rest).n == 0)
			return true;
	}
	return false;
}

/* Returns the path of "/metrics?x=1" or "http://host/metrics" (RFC 9112 3.2.2). */
static struct word path_of(struct word target)
{
	if (begins(target, "http://")) {
		const char *host = target.at + strlen("http://");
		const char *path = memchr(host, '/', target.n - strlen("http://"));
		if (path == NULL)
			return (struct word){ "/", 1 };
		target.n -= (size_t)(path - target.at);
		target.at = path;
	}
	const char *query = memchr(target.at, '?', target.n);
	if (query != NULL)
		target.n = (size_t)(query - target.at);
	return target;
}

enum http_response http_choose_response(const char *bytes, size_t n, const char *path)
{
	struct word rest = { bytes, n };
	struct word line = http_take_line(&rest);
	if (line.n == 0 && rest.n > 0) /* one empty line before it is ignored (RFC 9112 2.2) */
		line = http_take_line(&rest);
	if (!is_whole(rest))
		return n < HTTP_HEAD_MAX ? HTTP_MORE : HTTP_TOO_LONG;
	struct word method = take_word(&line), target = take_word(&line);
	if (!begins(line, "HTTP/1.") || line.n != strlen("HTTP/1.1") || method.n == 0)
		return HTTP_BAD;
	if (!word_is(path_of(target), path))
		return HTTP_NOT_FOUND;
	if (word_is(method, "HEAD"))
		return HTTP_PAGE_HEAD;
	return word_is(method, "GET") ? HTTP_PAGE : HTTP_BAD_METHOD;
}

const char *http_status(enum http_response response)
{
	switch (response) {
	case HTTP_PAGE:
	case HTTP_PAGE_HEAD:
		return "200 OK";
	case HTTP_NOT_FOUND:
		return "404 Not Found";
	case HTTP_BAD_METHOD:
		return "405 Method Not Allowed";
	case HTTP_TOO_LONG:
		return "431 Request Header Fields Too Large";
	case HTTP_MORE:
	case HTTP_BAD:
		break;
	}
	return "400 Bad Request";
}
