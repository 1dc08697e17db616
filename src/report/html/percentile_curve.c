/* SPDX-License-Identifier: MIT */
#include "report/html/percentile_curve.h"

#include <assert.h>

/* A corner nearer than this to the previous one cannot be seen. */
#define FINEST_X 1.0
#define FINEST_Y 2.0

double curve_end(uint64_t n)
{
	return scale_log10(2 * (double)n);
}

static double height_of(const struct scale *times, uint64_t ns)
{
	return PLOT_EXTENT * (1 - scale_at(times, (double)ns));
}

size_t curve_corners(const struct histogram *histogram, const struct scale *percentiles,
		     const struct scale *times, struct curve_point corners[CURVE_POINTS_MAX])
{
	assert(histogram->n > 0);
	double n = (double)histogram->n;
	struct curve_point last = { 0, height_of(times, histogram_min_ns(histogram)) };
	size_t n_corners = 0;
	corners[n_corners++] = last;

	struct histogram_bucket bucket;
	uint64_t n_before = 0;
	for (size_t at = 0; histogram_next(histogram, &at, &bucket); n_before += bucket.n) {
		/* The values of this bucket are the percentiles from here on. */
		double from = scale_log10(n / (double)(histogram->n - n_before));
		uint64_t ns = bucket.highest_ns;
		if (ns > histogram->max_ns || n_before + bucket.n == histogram->n)
			ns = histogram->max_ns;
		struct curve_point corner = {
			PLOT_EXTENT * scale_at(percentiles, from),
			height_of(times, ns),
		};
		if (corner.x - last.x < FINEST_X && last.y - corner.y < FINEST_Y)
			continue;
		corners[n_corners++] = last = corner;
		assert(n_corners < CURVE_POINTS_MAX);
	}
	corners[n_corners++] = (struct curve_point){
		PLOT_EXTENT * scale_at(percentiles, curve_end(histogram->n)),
		height_of(times, histogram->max_ns),
	};
	return n_corners;
}
