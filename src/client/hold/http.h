/* SPDX-License-Identifier: MIT */
/*
 * The part of HTTP/1.1 (RFC 9112) that a metrics page needs: it decides which response a request
 * gets. It makes no system call.
 */
#ifndef CLIENT_HOLD_HTTP_H
#define CLIENT_HOLD_HTTP_H

#include <stddef.h>

/* Maximum size of a request's head in bytes. A longer request is not read to its end. */
#define HTTP_HEAD_MAX ((size_t)4096)

enum http_response {
	HTTP_MORE,       /* the head is not complete yet */
	HTTP_PAGE,       /* 200, with the page */
	HTTP_PAGE_HEAD,  /* 200, without the page (HEAD) */
	HTTP_BAD,        /* 400: not HTTP/1 */
	HTTP_NOT_FOUND,  /* 404 */
	HTTP_BAD_METHOD, /* 405: neither GET nor HEAD */
	HTTP_TOO_LONG,   /* 431: no end within HTTP_HEAD_MAX bytes */
};

/* Returns the response to the n bytes (at most HTTP_HEAD_MAX) received. path: of the page. */
enum http_response http_choose_response(const char *bytes, size_t n, const char *path);

/* Returns status code and reason, "404 Not Found". Static storage. */
const char *http_status(enum http_response response);

#endif
