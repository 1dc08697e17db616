/* SPDX-License-Identifier: MIT */
#include "base/shell_quote.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

/* Characters without a special meaning in any shell, at any position of a word. */
static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			       "@%_+:,./-";

/* Maximum growth: a byte becomes \xNN. Plus per word: $, two quotes, and a space or the NUL. */
#define GROWTH 4
#define BESIDE 4

static bool is_plain(const char *word)
{
	return *word != '\0' && word[strspn(word, harmless)] == '\0';
}

/*
 * Returns whether every byte of a word is printable. Bytes that are not grow when they are escaped.
 */
static bool is_visible(const char *word)
{
	struct escape escape = { .utf8 = true };
	char out[ESCAPE_ROOM(1)];
	size_t length = strlen(word), escaped = 0;
	for (size_t i = 0; i < length; i++)
		escaped += escape_bytes(&escape, &word[i], 1, out);
	return escaped + escape_end(&escape, out) == length;
}

static char *put_quoted(char *at, const char *word)
{
	*at++ = '\'';
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			at = stpcpy(at, "'\\''");
		else
			*at++ = *word;
	}
	*at++ = '\'';
	return at;
}

static char *put_escaped(char *at, const char *word)
{
	static const char digits[] = "0123456789abcdef";
	at = stpcpy(at, "$'");
	for (; *word != '\0'; word++) {
		unsigned char byte = (unsigned char)*word;
		if (byte < 0x20 || byte > 0x7e) {
			at = stpcpy(at, "\\x");
			*at++ = digits[byte >> 4];
			*at++ = digits[byte & 0xf];
		} else {
			if (byte == '\'' || byte == '\\')
				*at++ = '\\';
			*at++ = (char)byte;
		}
	}
	*at++ = '\'';
	return at;
}

int shell_quote_words(char *const *words, size_t n_words, char **ret_line)
{
	size_t size = 1;
	for (size_t i = 0; i < n_words; i++)
		size += GROWTH * strlen(words[i]) + BESIDE;
	char *line = calloc(size, 1);
	if (line == NULL)
		return -ENOMEM;
	char *at = line;
	for (size_t i = 0; i < n_words; i++) {
		if (i > 0)
			*at++ = ' ';
		if (is_plain(words[i]))
			at = stpcpy(at, words[i]);
		else if (is_visible(words[i]))
			at = put_quoted(at, words[i]);
		else
			at = put_escaped(at, words[i]);
	}
	*at = '\0';
	*ret_line = line;
	return 0;
}
