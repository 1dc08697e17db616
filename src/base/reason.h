/* SPDX-License-Identifier: MIT */
/*
 * Why something cannot be had, in words that go behind a colon: for what has more to say than a
 * code.
 */
#ifndef BASE_REASON_H
#define BASE_REASON_H

struct reason {
	char text[160];
};

#endif
