/* SPDX-License-Identifier: MIT */
/*
 * What an endpoint that is no echo is instead, judged by its first reply: there are many servers
 * that are called echo and answer something else, and many that just listen on the port.
 */
#ifndef CLIENT_ENDPOINT_H
#define CLIENT_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

enum endpoint_kind {
	ENDPOINT_ECHO,         /* every byte came back */
	ENDPOINT_SHORT,        /* only the first of them did */
	ENDPOINT_SILENT,       /* none did, nor anything else */
	ENDPOINT_SPEAKS_FIRST, /* something came before anything was sent */
	ENDPOINT_HTTP,
	ENDPOINT_TLS,         /* it complains about the lack of it */
	ENDPOINT_PREFIX,      /* it puts something before what it returns */
	ENDPOINT_SUFFIX,      /* or behind it: a line end, say */
	ENDPOINT_LINES,       /* it returns whole lines, and what follows the last not yet */
	ENDPOINT_LINE_ENDS,   /* it changes line ends, or leaves them out */
	ENDPOINT_TRANSFORMED, /* it changes each byte by some rule: capitals, for one */
	ENDPOINT_REVERSED,    /* the last byte comes first */
	ENDPOINT_OTHER,       /* it answers something else */
};

/* The start of a conversation. */
struct endpoint_reply {
	const unsigned char *sent; /* all that was sent until the reply came */
	size_t n_sent;
	const unsigned char *received; /* all that has come */
	size_t n_received;
	bool ended; /* and nothing more will: the other end has closed */
};

struct endpoint {
	enum endpoint_kind kind;
	char text[320]; /* a sentence, without the name of the program */
};

/*
 * Says what kind of endpoint gave that reply. Whether more will come, only the caller can know: he
 * asks when he has waited long enough.
 */
struct endpoint endpoint_judge(const struct endpoint_reply *reply);

/*
 * Returns true if the reply names another kind of server: a protocol, or a rule by which an echo is
 * changed. False for an echo that makes a mistake: bytes that are missing, doubled or changed.
 */
bool endpoint_is_named(const struct endpoint_reply *reply, enum endpoint_kind kind);

#endif
