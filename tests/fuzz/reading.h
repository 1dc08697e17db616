/* SPDX-License-Identifier: MIT */
/*
 * What holds for a file of any kind that is read by report/run_read.h, for the targets of each
 * kind.
 */
#ifndef FUZZ_READING_H
#define FUZZ_READING_H

#include <stddef.h>
#include <stdint.h>

/*
 * Reads a file of a head, by which its kind is known, and `size` bytes: it is refused by one
 * sentence, or is a run that is sound: histograms count what they say, the series is in order,
 * what is shown has nothing that a terminal obeys, and one of ours is written as itself.
 */
void json_check(const char *head, const uint8_t *data, size_t size);

#endif
