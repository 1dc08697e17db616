/* SPDX-License-Identifier: MIT */
/*
 * As much of HTTP/1.1 (RFC 9112) as a page of figures needs: which answer a request gets. It makes
 * no system call.
 */
#ifndef CLIENT_HOLD_HTTP_H
#define CLIENT_HOLD_HTTP_H

#include <stddef.h>

/* A request whose head is longer is not read to its end. */
#define HTTP_HEAD_MAX ((size_t)4096)

enum http_answer {
	HTTP_MORE,      /* the head has not ended yet */
	HTTP_PAGE,      /* 200, with the page */
	HTTP_PAGE_HEAD, /* 200, without it (HEAD) */
	HTTP_BAD,       /* 400: it is no HTTP/1 */
	HTTP_NOT_FOUND, /* 404 */
	HTTP_NOT_MEANT, /* 405: neither GET nor HEAD */
	HTTP_TOO_LONG,  /* 431: HTTP_HEAD_MAX bytes, and no end */
};

/*
 * Judges the n bytes, at most HTTP_HEAD_MAX, that have come so far; `path` is where the page is.
 */
enum http_answer http_judge(const char *bytes, size_t n, const char *path);

/* The status line's rest, "404 Not Found". Static storage. */
const char *http_status(enum http_answer answer);

#endif
