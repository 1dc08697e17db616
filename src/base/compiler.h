/* SPDX-License-Identifier: MIT */
/*
 * The few things that we ask of the compiler, by names that say why.
 */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

/* The caller must look at the result: it may be an error. */
#define MUST_USE __attribute__((warn_unused_result))

/* The arguments are a printf format and its values. */
#define PRINTF_LIKE(format_at, values_at) __attribute__((format(printf, format_at, values_at)))

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

/*
 * Drops the result of a MUST_USE function. Write the reason beside the call: gcc warns even through
 * a cast to void, and that is as it should be for everybody who has no reason.
 */
static inline void ignore_result(long result)
{
	(void)result;
}

#endif
