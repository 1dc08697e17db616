/* SPDX-License-Identifier: MIT */
/*
 * Text of strangers inside of HTML: host names, command lines, names of files.
 */
#ifndef REPORT_HTML_MARKUP_H
#define REPORT_HTML_MARKUP_H

#include <stdio.h>

/* Of a text that is longer than so many bytes, no more is shown, and that there was more. */
#define MARKUP_TEXT_MAX 4096

/*
 * Writes a text so that it is nothing but text, between tags and inside of a quoted attribute: what
 * HTML would obey becomes a reference, what a terminal would obey and what is not valid UTF-8 is
 * shown as base/escape.h does. Errors of writing stay with `out`.
 */
void markup_text(FILE *out, const char *text);

#endif
