/* SPDX-License-Identifier: MIT */
#include "report/html/scale.h"

#include <assert.h>
#include <float.h>
#include <stdio.h>

#include "base/compiler.h"

/* A maximum above this multiple of the typical value would press all other values to the bottom. */
#define LINEAR_REACH 8

/* Maximum number of labels on an axis from 0: counts, and elapsed time. */
#define NAMES_MAX   6
#define MOMENTS_MAX 8

/* Up to this number of decades, 2 and 5 of each decade also get labels. */
#define DECADES_WITH_ALL 2.1

#define DAY_S 86400.0

/* Rounding errors of multiplications, divisions and summed steps are smaller. */
#define CLOSE 1e-9

/* ---- powers of ten and logarithms ---- */

/* Number of binary digits of a logarithm: 2^-40 is below 1e-11. */
#define DIGITS 40

double scale_power_of_10(int exponent)
{
	double power = 1;
	for (int i = exponent < 0 ? -exponent : exponent; i > 0; i--)
		power *= 10;
	return exponent < 0 ? 1 / power : power;
}

int scale_log10_floor(double value)
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
double scale_log10(double value)
{
	int whole = scale_log10_floor(value);
	double rest = value / scale_power_of_10(whole), log = whole, digit = 1;
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

/* ---- positions ---- */

double scale_at(const struct scale *scale, double value)
{
	double at = scale->is_log
			    ? scale_log10((value > scale->low ? value : scale->low) / scale->low) /
				      scale_log10(scale->high / scale->low)
			    : (value - scale->low) / (scale->high - scale->low);
	if (!(at > 0))
		return 0;
	return at < 1 ? at : 1;
}

/* ---- round numbers ---- */

/* Returns the smallest 1, 2 or 5 times a power of ten that is not below a value > 0. */
static double round_up(double value)
{
	double power = scale_power_of_10(scale_log10_floor(value));
	if (value <= power * (1 + CLOSE))
		return power;
	if (value <= 2 * power * (1 + CLOSE))
		return 2 * power;
	return value <= 5 * power * (1 + CLOSE) ? 5 * power : 10 * power;
}

/* Returns the largest one that is not above it. */
static double round_down(double value)
{
	double power = scale_power_of_10(scale_log10_floor(value));
	if (value >= 5 * power * (1 - CLOSE))
		return 5 * power;
	return value >= 2 * power * (1 - CLOSE) ? 2 * power : power;
}

/* ---- ranges ---- */

/* Returns the range from 0 to the next multiple of the label step. */
static struct scale from_zero(double max)
{
	double step = round_up(max / (NAMES_MAX - 1));
	int steps = 1;
	while (steps * step < max * (1 - CLOSE))
		steps++;
	return (struct scale){ .high = steps * step };
}

struct scale scale_log_times(uint64_t min_ns, uint64_t max_ns)
{
	struct scale scale = {
		.is_log = true,
		.low = round_down(min_ns > 0 ? (double)min_ns : 1),
		.high = round_up(max_ns > 0 ? (double)max_ns : 1),
	};
	if (scale.high < 2 * scale.low)
		scale.high = round_up(2 * scale.low);
	return scale;
}

struct scale scale_times(uint64_t min_ns, uint64_t typical_ns, uint64_t max_ns)
{
	if (max_ns / LINEAR_REACH >= typical_ns && max_ns > LINEAR_REACH)
		return scale_log_times(min_ns, max_ns);
	return from_zero(max_ns > 0 ? (double)max_ns : 1);
}

struct scale scale_counts(double max, double min)
{
	return from_zero(max > min ? max : min);
}

struct scale scale_elapsed(double seconds)
{
	return (struct scale){ .high = seconds > 1e-3 ? seconds : 1e-3 };
}

struct scale scale_percentiles(uint64_t n)
{
	double decades = scale_log10(2 * (double)(n > 0 ? n : 1));
	if (decades < 1)
		decades = 1;
	return (struct scale){
		.high = decades < SCALE_DECADES_MAX ? decades : SCALE_DECADES_MAX,
	};
}

/* ---- ticks ---- */

static struct format_text *add_tick(struct scale_ticks *ticks, const struct scale *scale,
				    double value, bool is_minor)
{
	assert(ticks->n < SCALE_TICKS_MAX);
	struct scale_tick *tick = &ticks->list[ticks->n++];
	tick->at = scale_at(scale, value);
	tick->is_minor = is_minor;
	return &tick->label;
}

static struct scale_ticks ticks_from_zero(const struct scale *scale,
					  struct format_text (*label)(double value))
{
	struct scale_ticks ticks = { 0 };
	double step = round_up(scale->high / (NAMES_MAX - 1));
	*add_tick(&ticks, scale, 0, false) = (struct format_text){ "0" };
	for (int i = 1; i * step <= scale->high * (1 + CLOSE); i++)
		*add_tick(&ticks, scale, i * step, false) = label(i * step);
	return ticks;
}

struct scale_ticks scale_ticks_of_counts(const struct scale *scale)
{
	return ticks_from_zero(scale, format_round_count);
}

struct scale_ticks scale_ticks_of_times(const struct scale *scale)
{
	static const double parts[] = { 1, 2, 5 };
	if (!scale->is_log)
		return ticks_from_zero(scale, format_round_time);

	struct scale_ticks ticks = { 0 };
	bool has_room = scale_log10(scale->high / scale->low) <= DECADES_WITH_ALL;
	for (int exponent = scale_log10_floor(scale->low);
	     exponent <= scale_log10_floor(scale->high); exponent++) {
		for (size_t i = 0; i < (has_room ? ARRAY_LEN(parts) : 1); i++) {
			double value = parts[i] * scale_power_of_10(exponent);
			if (value >= scale->low * (1 - CLOSE) && value <= scale->high * (1 + CLOSE))
				*add_tick(&ticks, scale, value, false) = format_round_time(value);
		}
	}
	return ticks;
}

/* Returns the next usual duration of at least `seconds`. */
static double round_elapsed(double seconds)
{
	static const double longer[] = { 30,   60,   120,  300,   600,   1200,
					 1800, 3600, 7200, 14400, 21600, 43200 };
	if (seconds <= 20)
		return round_up(seconds);
	for (size_t i = 0; i < ARRAY_LEN(longer); i++) {
		if (seconds <= longer[i])
			return longer[i];
	}
	return DAY_S * round_up(seconds / DAY_S);
}

struct scale_ticks scale_ticks_of_elapsed(const struct scale *scale)
{
	static const struct {
		double size;
		const char *name;
	} units[] = { { DAY_S, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" }, { 1e-3, "ms" } };
	struct scale_ticks ticks = { 0 };
	double step = round_elapsed(scale->high / (MOMENTS_MAX - 1));
	size_t unit = 0;
	while (unit + 1 < ARRAY_LEN(units) && step < units[unit].size * (1 - CLOSE))
		unit++;
	if (unit + 1 == ARRAY_LEN(units) && step >= 0.1 * (1 - CLOSE))
		unit--; /* 0.5 s, not 500 ms */
	/* A run of one minute ends at one minute, even if its last message took longer. */
	for (int i = 0; i * step <= scale->high * 1.001; i++)
		/* If there are many, every other label may be left out when space is short. */
		snprintf(add_tick(&ticks, scale, i * step, i % 2 == 1 && scale->high > 4 * step)
				 ->text,
			 sizeof(struct format_text), "%.6g %s", i * step / units[unit].size,
			 units[unit].name);
	return ticks;
}

struct scale_ticks scale_ticks_of_percentiles(const struct scale *scale)
{
	struct scale_ticks ticks = { 0 };
	*add_tick(&ticks, scale, 0, false) = (struct format_text){ "0%" };
	*add_tick(&ticks, scale, scale_log10(2), true) = (struct format_text){ "50%" };
	*add_tick(&ticks, scale, 1, false) = (struct format_text){ "90%" };
	for (int decades = 2; decades <= scale->high * (1 + CLOSE); decades++)
		snprintf(
			add_tick(&ticks, scale, decades, scale->high > 5 && decades % 2 == 1)->text,
			sizeof(struct format_text), "%.*f%%", decades - 2,
			100 - scale_power_of_10(2 - decades));
	return ticks;
}
