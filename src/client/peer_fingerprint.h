/* SPDX-License-Identifier: MIT */
/*
 * Identifies a server that is not an echo server by its first reply. Many servers are called echo
 * and answer something else, and other services may listen on the port.
 */
#ifndef CLIENT_PEER_FINGERPRINT_H
#define CLIENT_PEER_FINGERPRINT_H

#include <stdbool.h>
#include <stddef.h>

enum peer_kind {
	PEER_ECHO,         /* every byte came back */
	PEER_SHORT,        /* only the first bytes came back */
	PEER_SILENT,       /* nothing came */
	PEER_SPEAKS_FIRST, /* bytes came before anything was sent */
	PEER_HTTP,
	PEER_TLS,         /* it reports that TLS is missing */
	PEER_PREFIX,      /* it puts bytes before the echo */
	PEER_SUFFIX,      /* it puts bytes after the echo, such as a line end */
	PEER_LINES,       /* it returns whole lines only */
	PEER_LINE_ENDS,   /* it changes or removes line ends */
	PEER_TRANSFORMED, /* it changes each byte by a rule, such as to upper case */
	PEER_REVERSED,    /* the last byte comes first */
	PEER_OTHER,       /* it answers something else */
};

/* The beginning of a connection. */
struct peer_reply {
	const unsigned char *sent; /* all bytes sent before the reply came */
	size_t n_sent;
	const unsigned char *received; /* all bytes received */
	size_t n_received;
	bool ended; /* the peer has closed: no more bytes will come */
};

struct peer_fingerprint {
	enum peer_kind kind;
	char text[320]; /* a sentence, without the name of the program */
};

/*
 * Returns the kind of server that gave this reply. The caller decides when it has waited long
 * enough for the rest of the reply.
 */
struct peer_fingerprint peer_fingerprint_identify(const struct peer_reply *reply);

/*
 * Returns true if the reply identifies another kind of server: a protocol, or a rule by which the
 * echo is changed. Returns false for an echo server with a fault: bytes missing, doubled or
 * changed.
 */
bool peer_fingerprint_is_other_server(const struct peer_reply *reply, enum peer_kind kind);

#endif
