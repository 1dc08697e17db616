/* SPDX-License-Identifier: MIT */
#include "server/engine.h"

#include <string.h>

#include "server/engines/fork.h"

const struct engine *const engines[] = { &engine_fork, NULL };

const struct engine *engine_find(const char *name)
{
	for (const struct engine *const *at = engines; *at != NULL; at++) {
		if (strcmp((*at)->name, name) == 0)
			return *at;
	}
	return NULL;
}
