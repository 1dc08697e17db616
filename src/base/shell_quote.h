/* SPDX-License-Identifier: MIT */
/*
 * Quotes words as a user would type them in a shell.
 */
#ifndef BASE_SHELL_QUOTE_H
#define BASE_SHELL_QUOTE_H

#include <stddef.h>

#include "base/compiler.h"

/*
 * Joins words with spaces into one line. A word of safe characters stays as it is, other words
 * stand in '...'. A word with bytes that are not printable or not UTF-8 stands in $'...', as bash,
 * zsh and POSIX 2024 read it. So the line is always UTF-8.
 *
 * The caller frees *ret_line. Returns 0 or -ENOMEM.
 */
MUST_USE int shell_quote_words(char *const *words, size_t n_words, char **ret_line);

#endif
