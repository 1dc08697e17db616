/* SPDX-License-Identifier: MIT */
/* Checks for the targets of all file formats that report/run_read.h reads. */
#ifndef FUZZ_READING_H
#define FUZZ_READING_H

#include <stddef.h>
#include <stdint.h>

/*
 * Reads a file with this head, which determines its kind, and `size` bytes. The file is refused
 * with one sentence, or is a sound run: histograms have the counts that they report, the series is
 * in order, output has nothing that a terminal obeys, and one of our documents is written as the
 * same.
 */
void json_check(const char *head, const uint8_t *data, size_t size);

#endif
