/* SPDX-License-Identifier: MIT */
/*
 * The parts of a page that no run changes: page.css, page.js and marks.svg, made into strings by
 * embed.py when the program is built.
 */
#ifndef REPORT_HTML_ASSETS_H
#define REPORT_HTML_ASSETS_H

extern const char assets_css[], assets_js[], assets_marks[];

/* By which a browser knows them: the source of a Content-Security-Policy, "sha256-...". */
extern const char assets_css_hash[], assets_js_hash[];

#endif
