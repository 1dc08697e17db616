/* SPDX-License-Identifier: MIT */
/*
 * Compiler attributes and builtins under names that say what they are for.
 */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

/* The caller must use the result, because it may be an error. */
#define MUST_USE __attribute__((warn_unused_result))

/* The arguments are a printf format and its values. */
#define PRINTF_LIKE(format_at, values_at) __attribute__((format(printf, format_at, values_at)))

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

/*
 * Drops the result of a MUST_USE function. gcc warns even through a cast to void, so this is the
 * only way. Write the reason beside the call.
 */
static inline void ignore_result(long result)
{
	(void)result;
}

#endif
