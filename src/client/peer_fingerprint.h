/* SPDX-License-Identifier: MIT */
/*
 * What an endpoint that is no echo is instead, judged by its first reply: there are many servers
 * that are called echo and answer something else, and many that just listen on the port.
 */
#ifndef CLIENT_PEER_FINGERPRINT_H
#define CLIENT_PEER_FINGERPRINT_H

#include <stdbool.h>
#include <stddef.h>

enum peer_kind {
	PEER_ECHO,         /* every byte came back */
	PEER_SHORT,        /* only the first of them did */
	PEER_SILENT,       /* none did, nor anything else */
	PEER_SPEAKS_FIRST, /* something came before anything was sent */
	PEER_HTTP,
	PEER_TLS,         /* it complains about the lack of it */
	PEER_PREFIX,      /* it puts something before what it returns */
	PEER_SUFFIX,      /* or behind it: a line end, say */
	PEER_LINES,       /* it returns whole lines, and what follows the last not yet */
	PEER_LINE_ENDS,   /* it changes line ends, or leaves them out */
	PEER_TRANSFORMED, /* it changes each byte by some rule: capitals, for one */
	PEER_REVERSED,    /* the last byte comes first */
	PEER_OTHER,       /* it answers something else */
};

/* The start of a conversation. */
struct peer_reply {
	const unsigned char *sent; /* all that was sent until the reply came */
	size_t n_sent;
	const unsigned char *received; /* all that has come */
	size_t n_received;
	bool ended; /* and nothing more will: the other end has closed */
};

struct peer_fingerprint {
	enum peer_kind kind;
	char text[320]; /* a sentence, without the name of the program */
};

/*
 * Says what kind of endpoint gave that reply. Whether more will come, only the caller can know: he
 * asks when he has waited long enough.
 */
struct peer_fingerprint peer_fingerprint_judge(const struct peer_reply *reply);

/*
 * Returns true if the reply names another kind of server: a protocol, or a rule by which an echo is
 * changed. False for an echo that makes a mistake: bytes that are missing, doubled or changed.
 */
bool peer_fingerprint_is_named(const struct peer_reply *reply, enum peer_kind kind);

#endif
