/* SPDX-License-Identifier: MIT */
/*
 * What holds for a file of any kind that is read by report/run_read.h, for the targets of each
 * kind.
 */
#ifndef FUZZ_READING_H
#define FUZZ_READING_H

#include <stddef.h>

/*
 * Reads n bytes, behind which is a NUL: they are refused by one sentence, or are a run that is
 * sound: histograms count what they say, the series is in order, what is shown has nothing that a
 * terminal obeys, and one of ours is written as itself.
 */
void reading_check(const char *bytes, size_t n);

#endif
