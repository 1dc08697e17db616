/* SPDX-License-Identifier: MIT */
#include "report/html/log10.h"

#include <assert.h>
#include <float.h>

/* What has been multiplied and divided misses a power of ten by less. */
#define CLOSE 1e-9

/* Binary digits of a logarithm: 2^-40 is below 1e-11. */
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
 * What a number is to be squared to exceed 10 are the digits of its logarithm, one by one. Squaring
 * doubles the relative error, and halves what a digit is worth.
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
