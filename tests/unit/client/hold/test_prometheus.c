/* SPDX-License-Identifier: MIT */
/*
 * The figures of the page for Prometheus. promtool checks its form: tests/client/test_metrics.py.
 */
#include "client/hold/prometheus.h"

#include <inttypes.h>
#include <string.h>

#include "unit.h"

static char page[12 * 1024];

static size_t render(const struct disconnects *disconnects)
{
	return prometheus_render(disconnects, page, sizeof(page));
}

static void assert_line(const char *line)
{
	const char *at = strstr(page, line);
	if (at == NULL)
		fail_msg("no line %s in:\n%s", line, page);
}

TEST(every_figure_has_its_line)
{
	struct disconnects disconnects;
	assert_int_equal(disconnects_open(&disconnects), 0);
	disconnects.n_connections = 11;
	disconnects.n_open = 9;
	disconnects.n_opened = 12;
	disconnects.n_ended[DISCONNECT_RESET] = 2;
	disconnects.n_ended[DISCONNECT_WRONG] = 1;
	disconnects.n_not_opened[DISCONNECT_REFUSED] = 5;
	disconnects.n_back = 70;
	disconnects.n_lost = 3;
	disconnects.bytes_verified = 4480;
	disconnects.oldest_ns = 1250000000;
	size_t n = render(&disconnects);
	assert_int_equal(n, strlen(page));
	assert_line("\ntcpecho_hold_connections 9\n");
	assert_line("\ntcpecho_hold_connections_wanted 11\n");
	assert_line("\ntcpecho_hold_opened_total 12\n");
	assert_line("\ntcpecho_hold_deaths_total{cause=\"reset\"} 2\n");
	assert_line("\ntcpecho_hold_deaths_total{cause=\"ended\"} 0\n");
	assert_line("\ntcpecho_hold_open_failures_total{cause=\"refused\"} 5\n");
	assert_line("\ntcpecho_hold_heartbeats_total 70\n");
	assert_line("\ntcpecho_hold_heartbeats_lost_total 3\n");
	assert_line("\ntcpecho_hold_bytes_verified_total 4480\n");
	assert_line("\ntcpecho_hold_mismatches_total 1\n");
	assert_line("\ntcpecho_hold_last_good_seconds 1.250\n");
	assert_line("\ntcpecho_build_info{version=\"");
	disconnects_close(&disconnects);
}

TEST(buckets_add_up)
{
	static const uint64_t latency_ns[] = { 9000, 9500, 60000, 900000, 20000000000 };
	struct disconnects disconnects;
	assert_int_equal(disconnects_open(&disconnects), 0);
	for (size_t i = 0; i < ARRAY_LEN(latency_ns); i++)
		histogram_record(&disconnects.round_trip, latency_ns[i]);
	render(&disconnects);
	assert_line("_seconds_bucket{le=\"1e-05\"} 2\n");
	assert_line("_seconds_bucket{le=\"5e-05\"} 2\n");
	assert_line("_seconds_bucket{le=\"0.0001\"} 3\n");
	assert_line("_seconds_bucket{le=\"0.001\"} 4\n");
	assert_line("_seconds_bucket{le=\"10\"} 4\n");
	assert_line("_seconds_bucket{le=\"+Inf\"} 5\n");
	assert_line("_seconds_count 5\n");
	assert_line("_seconds_sum 20.000978500\n");
	disconnects_close(&disconnects);
}

TEST(the_largest_figures_have_room_and_what_has_none_is_left_out_by_lines)
{
	struct disconnects disconnects;
	assert_int_equal(disconnects_open(&disconnects), 0);
	disconnects.n_connections = disconnects.n_open = disconnects.n_opened = UINT64_MAX;
	disconnects.n_back = disconnects.n_lost = disconnects.bytes_verified = UINT64_MAX;
	for (int i = 0; i < DISCONNECT_CAUSES; i++)
		disconnects.n_ended[i] = disconnects.n_not_opened[i] = UINT64_MAX;
	disconnects.oldest_ns = UINT64_MAX;
	histogram_record_n(&disconnects.round_trip, 1, INT64_MAX);
	size_t n = render(&disconnects);
	assert_true(n < 8 * 1024);
	assert_non_null(strstr(page, "_seconds_count"));
	for (size_t size = 1; size < n; size += 101) {
		size_t fits = prometheus_render(&disconnects, page, size);
		assert_true(fits < size && fits == strlen(page));
		assert_true(fits == 0 || page[fits - 1] == '\n');
	}
	disconnects_close(&disconnects);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_figure_has_its_line),
		cmocka_unit_test(buckets_add_up),
		cmocka_unit_test(
			the_largest_figures_have_room_and_what_has_none_is_left_out_by_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
