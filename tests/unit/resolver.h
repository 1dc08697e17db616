/* SPDX-License-Identifier: MIT */
/* A name server inside the test, for programs linked with --wrap=getaddrinfo. */
#ifndef UNIT_RESOLVER_H
#define UNIT_RESOLVER_H

#define RESOLVER_MAX 32

/* One name, and the result of getaddrinfo(3) for it: an error, or addresses in this order. */
struct resolver_name {
	const char *host;
	int eai;                                 /* 0: the name resolves */
	int error;                               /* errno, for EAI_SYSTEM */
	const char *addresses[RESOLVER_MAX + 1]; /* literals; NULL after the last */
};

/* From here on that name has this result; the machine looks up other names. NULL: all of them. */
void resolver_knows(const struct resolver_name *name);

#endif
