/* SPDX-License-Identifier: MIT */
/*
 * Writes text from outside into HTML: host names, command lines, file names.
 */
#ifndef REPORT_HTML_MARKUP_H
#define REPORT_HTML_MARKUP_H

#include <stdio.h>

/* Maximum number of bytes shown of a text. A mark shows that it was cut. */
#define MARKUP_TEXT_MAX 4096

/*
 * Writes a text escaped for HTML, valid between tags and in a quoted attribute. Terminal control
 * characters and invalid UTF-8 are shown as in base/escape.h. Write errors stay in `out`.
 */
void markup_text(FILE *out, const char *text);

#endif
