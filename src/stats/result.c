/* SPDX-License-Identifier: MIT */
#include "stats/result.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"

int result_open(struct result *ret_result)
{
	struct result result = { 0 };
	int rc = histogram_open(&result.response);
	if (rc == 0)
		rc = histogram_open(&result.service);
	if (rc == 0)
		rc = histogram_open(&result.lateness);
	if (rc == 0)
		rc = histogram_open(&result.connect);
	if (rc < 0)
		result_close(&result);
	else
		*ret_result = result;
	return rc;
}

void result_close(struct result *result)
{
	histogram_close(&result->response);
	histogram_close(&result->service);
	histogram_close(&result->lateness);
	histogram_close(&result->connect);
}

void result_reset(struct result *result)
{
	struct result empty = {
		.response = result->response,
		.service = result->service,
		.lateness = result->lateness,
		.connect = result->connect,
	};
	histogram_reset(&empty.response);
	histogram_reset(&empty.service);
	histogram_reset(&empty.lateness);
	histogram_reset(&empty.connect);
	*result = empty;
}

static void add_failure(struct result_failure *list, size_t *n_list, const char *name, uint64_t n)
{
	for (size_t i = 0; i < *n_list; i++) {
		if (strcmp(list[i].name, name) == 0) {
			list[i].n += n;
			return;
		}
	}
	assert(*n_list < RESULT_FAILURES_MAX);
	list[(*n_list)++] = (struct result_failure){ .name = name, .n = n };
}

void result_fail(struct result *result, const char *name, uint64_t n)
{
	add_failure(result->failures, &result->n_failures, name, n);
}

void result_connection_error(struct result *result, const char *name, uint64_t n)
{
	add_failure(result->connection_errors, &result->n_connection_errors, name, n);
}

static uint64_t sum_of_failures(const struct result_failure *list, size_t n_list)
{
	uint64_t n = 0;
	for (size_t i = 0; i < n_list; i++)
		n += list[i].n;
	return n;
}

uint64_t result_failures(const struct result *result)
{
	return sum_of_failures(result->failures, result->n_failures);
}

uint64_t result_failed(const struct result *result)
{
	uint64_t n = 0;
	for (size_t i = 0; i < result->n_failures; i++)
		n += strcmp(result->failures[i].name, RESULT_NEVER_SENT) != 0
			     ? result->failures[i].n
			     : 0;
	return n;
}

uint64_t result_connection_errors(const struct result *result)
{
	return sum_of_failures(result->connection_errors, result->n_connection_errors);
}

double result_rate(const struct result *result)
{
	if (result->elapsed_ns == 0)
		return 0;
	return (double)result->n_echoes / clock_s(result->elapsed_ns);
}

uint64_t result_missing(const struct result *result)
{
	return result->bytes_sent - result->bytes_verified;
}

void result_add(struct result *into, const struct result *from)
{
	into->n_sent += from->n_sent;
	into->n_echoes += from->n_echoes;
	into->n_unfinished += from->n_unfinished;
	into->bytes_sent += from->bytes_sent;
	into->bytes_verified += from->bytes_verified;
	into->n_mismatches += from->n_mismatches;
	into->wrong_bytes += from->wrong_bytes;
	into->n_connections += from->n_connections;
	for (size_t i = 0; i < from->n_failures; i++)
		result_fail(into, from->failures[i].name, from->failures[i].n);
	for (size_t i = 0; i < from->n_connection_errors; i++)
		result_connection_error(into, from->connection_errors[i].name,
					from->connection_errors[i].n);
	if (into->first_mismatch[0] == '\0')
		memcpy(into->first_mismatch, from->first_mismatch, sizeof(into->first_mismatch));
	histogram_merge(&into->response, &from->response);
	histogram_merge(&into->service, &from->service);
	histogram_merge(&into->lateness, &from->lateness);
	histogram_merge(&into->connect, &from->connect);
}
