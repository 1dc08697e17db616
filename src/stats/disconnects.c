/* SPDX-License-Identifier: MIT */
#include "stats/disconnects.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

static const char *const names[DISCONNECT_CAUSES] = {
#define X(symbol, name, what) [symbol] = (name),
	DISCONNECT_LIST(X)
#undef X
};

static const struct {
	int code;
	enum disconnect_cause cause;
} causes[] = {
	{ -ECONNRESET, DISCONNECT_RESET },
	{ -EPIPE, DISCONNECT_RESET }, /* an RST after a FIN */
	{ -ETIMEDOUT, DISCONNECT_TIMEOUT },
	{ ERR_QUEUE_FULL, DISCONNECT_TIMEOUT },
	{ -EHOSTUNREACH, DISCONNECT_UNREACHABLE },
	{ -ENETUNREACH, DISCONNECT_UNREACHABLE },
	{ -EHOSTDOWN, DISCONNECT_UNREACHABLE },
	{ -ENETDOWN, DISCONNECT_UNREACHABLE },
	{ -ENONET, DISCONNECT_UNREACHABLE },
	{ ERR_FORBIDDEN, DISCONNECT_UNREACHABLE },
	{ -ECONNREFUSED, DISCONNECT_REFUSED },
	{ -ENOENT, DISCONNECT_REFUSED }, /* unix socket: its path no longer exists */
	{ ERR_SELF_CONNECT, DISCONNECT_REFUSED },
};

const char *disconnect_name(enum disconnect_cause cause)
{
	return names[cause];
}

enum disconnect_cause disconnect_of_code(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(causes); i++) {
		if (causes[i].code == code)
			return causes[i].cause;
	}
	return DISCONNECT_ERROR;
}

int disconnects_open(struct disconnects *ret_disconnects)
{
	struct disconnects disconnects = { .shortest_ns = DISCONNECT_NO_BYTE };
	int rc = histogram_open(&disconnects.round_trip);
	if (rc < 0)
		return rc;
	disconnects.logged = calloc(DISCONNECT_LOGGED_MAX, sizeof(*disconnects.logged));
	if (disconnects.logged == NULL) {
		histogram_close(&disconnects.round_trip);
		return -ENOMEM;
	}
	*ret_disconnects = disconnects;
	return 0;
}

void disconnects_close(struct disconnects *disconnects)
{
	histogram_close(&disconnects->round_trip);
	free(disconnects->logged);
	disconnects->logged = NULL;
	disconnects->n_logged = 0;
}

void disconnects_note_time(struct disconnects *disconnects, uint64_t ns)
{
	histogram_record(&disconnects->round_trip, ns);
	deviation_add(&disconnects->deviation, ns);
}

void disconnects_add(struct disconnects *disconnects, const struct disconnect *disconnect)
{
	disconnects->n_ended[disconnect->cause]++;
	if (disconnect->age_ns < disconnects->shortest_ns)
		disconnects->shortest_ns = disconnect->age_ns;
	if (disconnect->age_ns > disconnects->longest_ns)
		disconnects->longest_ns = disconnect->age_ns;
	if (disconnects->logged != NULL && disconnects->n_logged < DISCONNECT_LOGGED_MAX)
		disconnects->logged[disconnects->n_logged++] = *disconnect;
}

static uint64_t sum_of_causes(const uint64_t counts[DISCONNECT_CAUSES])
{
	uint64_t n = 0;
	for (int i = 0; i < DISCONNECT_CAUSES; i++)
		n += counts[i];
	return n;
}

uint64_t disconnects_ended(const struct disconnects *disconnects)
{
	return sum_of_causes(disconnects->n_ended);
}

uint64_t disconnects_not_opened(const struct disconnects *disconnects)
{
	return sum_of_causes(disconnects->n_not_opened);
}
