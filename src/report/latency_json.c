/* SPDX-License-Identifier: MIT */
#include "report/latency_json.h"

#include "base/clock.h"

const struct latency_percentile latency_percentiles[LATENCY_PERCENTILES] = {
	{ "p50", 50 }, { "p90", 90 }, { "p99", 99 }, { "p99.9", 99.9 }, { "p99.99", 99.99 },
};

json_t *latency_json(const struct histogram *times)
{
	if (times->n == 0)
		return json_null();
	json_t *json = json_pack("{s:f, s:f}", "min", clock_us(histogram_min_ns(times)), "mean",
				 clock_us(histogram_mean_ns(times)));
	for (size_t i = 0; i < LATENCY_PERCENTILES; i++)
		json_object_set_new(json, latency_percentiles[i].name,
				    json_real(clock_us(histogram_percentile_ns(
					    times, latency_percentiles[i].percent))));
	json_object_set_new(json, "max", json_real(clock_us(times->max_ns)));
	return json;
}
