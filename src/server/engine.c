/* SPDX-License-Identifier: MIT */
#include "server/engine.h"

#include <stdio.h>
#include <string.h>

const struct engine *const engines[] = {
	&engine_fork, &engine_prefork, &engine_thread, &engine_epoll, &engine_uring, NULL,
};

/* Engines in order of preference. */
static const struct engine *const by_preference[] = { &engine_uring, &engine_epoll, NULL };

const struct engine *engine_find(const char *name)
{
	for (const struct engine *const *at = engines; *at != NULL; at++) {
		if (strcmp((*at)->name, name) == 0)
			return *at;
	}
	return NULL;
}

int engine_check(const struct engine *engine, struct reason *reterr_reason)
{
	return engine->usable != NULL ? engine->usable(reterr_reason) : 0;
}

const struct engine *engine_best(struct reason *ret_why)
{
	size_t i = 0;
	*ret_why = (struct reason){ { 0 } };
	for (struct reason reason; by_preference[i + 1] != NULL; i++) {
		if (engine_check(by_preference[i], &reason) == 0)
			break;
		snprintf(ret_why->text, sizeof(ret_why->text), "%s: %.120s", by_preference[i]->name,
			 reason.text);
	}
	return by_preference[i];
}
