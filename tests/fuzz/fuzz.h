/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share.
 *
 * A target is a function that is given any bytes at all, makes of them what its subject takes, and
 * aborts when a promise is broken: by assert(), for the promises, and by the sanitizers, for the
 * language. libFuzzer drives it with bytes that it makes up, replay.c with those that were kept.
 * It makes no system call, for it is called millions of times.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* The target: libFuzzer's name for it (llvm.org/docs/LibFuzzer.html). Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of the input. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

/* The next byte; 0 behind the end. */
uint8_t fuzz_byte(struct fuzz_input *input);

/* The next eight bytes, shifted right by what a ninth says: numbers of every size. */
uint64_t fuzz_number(struct fuzz_input *input);

/*
 * A string: the bytes up to the next NUL or the end. It is the caller's to free, and exactly as
 * large as it must be, so that a sanitizer sees whoever reads on.
 */
char *fuzz_string(struct fuzz_input *input);

#endif
