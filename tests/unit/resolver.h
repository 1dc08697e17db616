/* SPDX-License-Identifier: MIT */
/*
 * A name server of the test's own, for programs linked with --wrap=getaddrinfo.
 */
#ifndef UNIT_RESOLVER_H
#define UNIT_RESOLVER_H

#define RESOLVER_MAX 32

/* One name, and what getaddrinfo(3) says of it: an error, or addresses in this order. */
struct resolver_name {
	const char *host;
	int eai;                                 /* 0: it is known */
	int error;                               /* errno, for EAI_SYSTEM */
	const char *addresses[RESOLVER_MAX + 1]; /* literal; NULL behind the last */
};

/* From here on that name is known as this says; others are asked of the machine. NULL: all are. */
void resolver_knows(const struct resolver_name *name);

#endif
