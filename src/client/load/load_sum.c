/* SPDX-License-Identifier: MIT */
#include "client/load/load_sum.h"

#include <stddef.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "client/dial.h"

/*
 * The wanted rate was not reached if the p99 of the schedule lag exceeds this and a tenth of the
 * median service time.
 */
#define LATENESS_NS (100 * (CLOCK_NS_PER_MS / 1000))

void load_sum_add(struct load_sum *sum, struct load *load)
{
	sum->last_begun_ns = clock_later_ns(sum->last_begun_ns, load->last_begun_ns);
	sum->last_back_ns = clock_later_ns(sum->last_back_ns, load->last_back_ns);
	sum->end_ns = clock_later_ns(sum->end_ns, load->end_ns);
	sum->ended_ns = clock_later_ns(sum->ended_ns, load->ended_ns);
	bottleneck_add(&sum->use, &load->use);
	kernel_view_add(&sum->kernel, &load->kernel);
	if (load->wrong.is_there &&
	    (sum->wrong == NULL || load->wrong.until_ns < sum->wrong->until_ns))
		sum->wrong = &load->wrong;
}

void load_sum_add_watch(struct load_sum *sum, const struct bottleneck_usage *watch)
{
	sum->use.longest_ns = clock_later_ns(sum->use.longest_ns, watch->longest_ns);
	sum->use.gaps_ns = clock_later_ns(sum->use.gaps_ns, watch->gaps_ns);
}

uint64_t load_sum_elapsed_ns(const struct load_sum *sum, const struct load_plan *plan,
			     bool is_interrupted)
{
	uint64_t until_ns = clock_earlier_ns(sum->end_ns, sum->ended_ns);
	if (plan->is_open && !is_interrupted)
		until_ns = clock_later_ns(until_ns, sum->last_begun_ns);
	return load_sum_since(load_begin_ns(plan), until_ns);
}

/* Returns the code of the first failure caused by a limit of this machine; 0: none. */
static int local_failure(const struct result *result)
{
	int code = 0;
	for (size_t i = 0; code == 0 && i < result->n_failures; i++)
		code = err_local_code(result->failures[i].name);
	for (size_t i = 0; code == 0 && i < result->n_connection_errors; i++)
		code = err_local_code(result->connection_errors[i].name);
	return code;
}

void load_sum_check_client(const struct load_sum *sum, bool is_open, const struct result *result,
			   char text[BOTTLENECK_SIZE])
{
	uint64_t late_ns = histogram_percentile_ns(&result->lateness, 99);
	uint64_t usual_ns = histogram_percentile_ns(&result->service, 50);
	int limit = local_failure(result);
	if (limit != 0) {
		snprintf(text, BOTTLENECK_SIZE, "%s%s", err_text(limit).text, dial_remedy(limit));
		return;
	}
	if (late_ns > LATENESS_NS && late_ns > usual_ns / 10)
		snprintf(text, BOTTLENECK_SIZE,
			 "one message in a hundred was sent %.1f us late or more because of the "
			 "client",
			 clock_us(late_ns));
	bottleneck_describe(&sum->use, !is_open, text);
}
