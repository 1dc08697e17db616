/* SPDX-License-Identifier: MIT */
/*
 * The constant parts of a page: page.css, page.js and marks.svg. embed.py converts them to strings
 * at build time.
 */
#ifndef REPORT_HTML_ASSETS_H
#define REPORT_HTML_ASSETS_H

extern const char assets_css[], assets_js[], assets_marks[];

/* Their hashes, by which the Content-Security-Policy allows them: "sha256-...". */
extern const char assets_css_hash[], assets_js_hash[];

#endif
