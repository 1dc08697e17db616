/* SPDX-License-Identifier: MIT */
/*
 * Profiles: what is known and accepted about an endpoint. A file that people read and edit:
 *
 *	# nginx stream, as installed
 *	half-close fail     # proxy_half_close is off
 *	urgent     warn     # nginx reads without SO_OOBINLINE
 *	idle       >=10m    # proxy_timeout
 *	limit      >=1000
 *
 * A failure that a line expects becomes TODO, and a pass that it does not expect is reported. A
 * value with >= must be reached, or the check fails.
 */
#ifndef CLIENT_CHECK_PROFILE_H
#define CLIENT_CHECK_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/reason.h"
#include "client/check/check.h"
#include "stats/verdict.h"

struct profile {
	struct profile_line {
		bool is_set;
		enum verdict verdict; /* PASS, WARN, FAIL or SKIP */
		uint64_t at_least;    /* ns or a number; 0: no value */
	} lines[CHECKS_MAX];          /* by the index of the check */
};

/*
 * Reads a profile of n bytes. Returns 0, or -EINVAL with the line and the reason. Every length and
 * every byte is valid input.
 */
MUST_USE int profile_parse(const char *text, size_t n, struct profile *ret_profile,
			   struct reason *reterr_reason);

/* Applies the line of a check to its result. */
void profile_apply(const struct profile *profile, size_t check, struct check_result *result);

/* Returns whether the check is to be left out: its line says skip. */
bool profile_skips(const struct profile *profile, size_t check);

/* Returns the longest time that a slow check must reach; 0: none has to. */
uint64_t profile_longest_ns(const struct profile *profile);

#endif
