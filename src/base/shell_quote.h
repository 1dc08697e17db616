/* SPDX-License-Identifier: MIT */
/*
 * Words as one would type them in a shell.
 */
#ifndef BASE_SHELL_QUOTE_H
#define BASE_SHELL_QUOTE_H

#include <stddef.h>

#include "base/compiler.h"

/*
 * One line, words apart by a space: a word of harmless characters as it is, others within '...',
 * and one with bytes that a terminal should not see, or that are no UTF-8, within $'...', as bash,
 * zsh and POSIX of 2024 read it. So the line is UTF-8 whatever the words are.
 *
 * *ret_line is the caller's, to be freed. Returns 0 or -ENOMEM.
 */
MUST_USE int shell_quote_words(char *const *words, size_t n_words, char **ret_line);

#endif
