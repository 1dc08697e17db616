/* SPDX-License-Identifier: MIT */
#include "base/death.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

static const char *const names[DEATH_CAUSES] = {
#define X(symbol, name, what) [symbol] = (name),
	DEATH_LIST(X)
#undef X
};

static const struct {
	int code;
	enum death_cause cause;
} causes[] = {
	{ -ECONNRESET, DEATH_RESET },
	{ -EPIPE, DEATH_RESET }, /* an RST that came behind a FIN */
	{ -ETIMEDOUT, DEATH_TIMEOUT },
	{ ERR_QUEUE_FULL, DEATH_TIMEOUT },
	{ -EHOSTUNREACH, DEATH_UNREACHABLE },
	{ -ENETUNREACH, DEATH_UNREACHABLE },
	{ -EHOSTDOWN, DEATH_UNREACHABLE },
	{ -ENETDOWN, DEATH_UNREACHABLE },
	{ -ENONET, DEATH_UNREACHABLE },
	{ ERR_FORBIDDEN, DEATH_UNREACHABLE },
	{ -ECONNREFUSED, DEATH_REFUSED },
	{ -ENOENT, DEATH_REFUSED }, /* of a unix socket: its path is gone */
	{ ERR_SELF_CONNECT, DEATH_REFUSED },
};

const char *death_name(enum death_cause cause)
{
	return names[cause];
}

enum death_cause death_of_code(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(causes); i++) {
		if (causes[i].code == code)
			return causes[i].cause;
	}
	return DEATH_ERROR;
}

int deaths_open(struct deaths *ret_deaths)
{
	struct deaths deaths = { .shortest_ns = DEATH_NO_BYTE };
	int rc = histogram_open(&deaths.round_trip);
	if (rc < 0)
		return rc;
	deaths.told = calloc(DEATH_TOLD_MOST, sizeof(*deaths.told));
	if (deaths.told == NULL) {
		histogram_close(&deaths.round_trip);
		return -ENOMEM;
	}
	*ret_deaths = deaths;
	return 0;
}

void deaths_close(struct deaths *deaths)
{
	histogram_close(&deaths->round_trip);
	free(deaths->told);
	deaths->told = NULL;
	deaths->n_told = 0;
}

void deaths_note_time(struct deaths *deaths, uint64_t ns)
{
	histogram_record(&deaths->round_trip, ns);
	deviation_add(&deaths->deviation, ns);
}

void deaths_add(struct deaths *deaths, const struct death *death)
{
	deaths->n_died[death->cause]++;
	if (death->age_ns < deaths->shortest_ns)
		deaths->shortest_ns = death->age_ns;
	if (death->age_ns > deaths->longest_ns)
		deaths->longest_ns = death->age_ns;
	if (deaths->told != NULL && deaths->n_told < DEATH_TOLD_MOST)
		deaths->told[deaths->n_told++] = *death;
}

static uint64_t sum_of(const uint64_t counts[DEATH_CAUSES])
{
	uint64_t n = 0;
	for (int i = 0; i < DEATH_CAUSES; i++)
		n += counts[i];
	return n;
}

uint64_t deaths_died(const struct deaths *deaths)
{
	return sum_of(deaths->n_died);
}

uint64_t deaths_not_opened(const struct deaths *deaths)
{
	return sum_of(deaths->n_not_opened);
}
