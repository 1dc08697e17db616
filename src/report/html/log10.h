/* SPDX-License-Identifier: MIT */
/*
 * Powers of ten and base-10 logarithms, for charts.
 *
 * libm is not used: it is a separate shared library that cannot be linked statically here, and
 * every forked child of the server would pay for it
 * (docs/decisions/0005-what-is-written-by-hand.md).
 */
#ifndef REPORT_HTML_LOG10_H
#define REPORT_HTML_LOG10_H

/* Returns 10 to the power of an exponent, from -300 to 300. */
double log10_power(int exponent);

/*
 * Returns the exponent of the greatest power of ten that is not above a finite value > 0 (to 1e-9).
 */
int log10_floor(double value);

/* Returns the base-10 logarithm of a finite value > 0, with an error of at most 1e-11. */
double log10_of(double value);

#endif
