/* SPDX-License-Identifier: MIT */
#include "report/start_time_json.h"

#include "base/clock.h"
#include "base/units.h"
#include "report/summary.h"

void start_time_write_text(FILE *out, const struct start_time *start)
{
	if (start->wanted_ns == 0)
		return;
	fprintf(out, SUMMARY_LABEL "%s, ", "start at", units_timestamp(start->wanted_ns).text);
	if (start->late_ns > 0)
		fprintf(out, "%.3f s late", clock_s(start->late_ns));
	else
		fputs("on time", out);
	if (!start->is_clock_known)
		fputs("; the state of this machine's clock is unknown\n", out);
	else if (!start->clock.is_synchronised)
		fputs("; this machine's clock is not synchronised\n", out);
	else
		fprintf(out, "; this machine's clock is synchronised within %.1f us\n",
			clock_us(start->clock.max_error_ns));
}

void start_time_add(struct start_time *sum, const struct start_time *more)
{
	struct clock_trust *clock = &sum->clock;
	sum->wanted_ns = sum->wanted_ns == more->wanted_ns ? sum->wanted_ns : 0;
	sum->late_ns = more->late_ns > sum->late_ns ? more->late_ns : sum->late_ns;
	sum->is_clock_known = sum->is_clock_known && more->is_clock_known;
	clock->is_synchronised = clock->is_synchronised && more->clock.is_synchronised;
	if (more->clock.max_error_ns > clock->max_error_ns)
		clock->max_error_ns = more->clock.max_error_ns;
}

static json_t *clock_json(const struct start_time *start)
{
	const struct clock_trust *clock = &start->clock;
	if (!start->is_clock_known)
		return json_null();
	return json_pack("{s:b, s:o}", "synchronised", clock->is_synchronised, "max_error_us",
			 clock->is_synchronised ? json_real(clock_us(clock->max_error_ns))
						: json_null());
}

json_t *start_time_json(const struct start_time *start)
{
	bool is_wanted = start->wanted_ns != 0;
	json_t *late_us = is_wanted ? json_real(clock_us(start->late_ns)) : json_null();
	return json_pack("{s:s?, s:o, s:o}", "start_wanted",
			 is_wanted ? units_timestamp(start->wanted_ns).text : NULL, "start_late_us",
			 late_us, "clock", clock_json(start));
}
