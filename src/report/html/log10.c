/* SPDX-License-Identifier: MIT */
#include "report/html/log10.h"

#include <assert.h>
#include <float.h>

/* Rounding errors of multiplications and divisions are smaller. */
#define CLOSE 1e-9

/* Number of binary digits of a logarithm: 2^-40 is below 1e-11. */
#define DIGITS 40

double log10_power(int exponent)
{
	double power = 1;
	for (int i = exponent < 0 ? -exponent : exponent; i > 0; i--)
		power *= 10;
	return exponent < 0 ? 1 / power : power;
}

int log10_floor(double value)
{
	assert(value > 0 && value <= DBL_MAX);
	int exponent = 0;
	while (value >= 10 * (1 - CLOSE)) {
		value /= 10;
		exponent++;
	}
	while (value < 1 - CLOSE) {
		value *= 10;
		exponent--;
	}
	return exponent;
}

/*
 * The binary digits of the logarithm, one by one: each squaring that exceeds 10 is a 1. Squaring
 * doubles the relative error, but each digit is worth half of the one before.
 */
double log10_of(double value)
{
	int whole = log10_floor(value);
	double rest = value / log10_power(whole), log = whole, digit = 1;
	for (int i = 0; i < DIGITS; i++) {
		rest *= rest;
		digit /= 2;
		if (rest >= 10) {
			rest /= 10;
			log += digit;
		}
	}
	return log;
}
