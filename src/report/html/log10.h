/* SPDX-License-Identifier: MIT */
/*
 * Powers of ten and the logarithm to their base, for what is drawn.
 *
 * Not by libm, which is a library of its own to the loader and cannot be linked statically: every
 * child that the server forks would pay for it (docs/decisions/0005-what-is-written-by-hand.md).
 */
#ifndef REPORT_HTML_LOG10_H
#define REPORT_HTML_LOG10_H

/* 10 to the power of an exponent, from -300 to 300. */
double log10_power(int exponent);

/* The exponent of the power of ten at a finite value above 0 (to a part in 1e9), or below it. */
int log10_floor(double value);

/* The logarithm to base 10 of a finite value above 0, to 1e-11. */
double log10_of(double value);

#endif
