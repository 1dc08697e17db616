/* SPDX-License-Identifier: MIT */
/*
 * The reason of a failure, in words to print after a colon, for cases where a code does not say
 * enough.
 */
#ifndef BASE_REASON_H
#define BASE_REASON_H

struct reason {
	char text[160];
};

#endif
