/* SPDX-License-Identifier: MIT */
#include "client/served_by.h"

#include <stdio.h>
#include <string.h>

void served_by_note(struct served_by *served_by, const struct addr *addr)
{
	for (uint32_t i = 0; i < served_by->n; i++) {
		if (addr_equal(&served_by->list[i], addr))
			return;
	}
	if (served_by->n == SERVED_BY_MAX)
		return;
	size_t n = strlen(served_by->text);
	snprintf(served_by->text + n, sizeof(served_by->text) - n, "%s%s", n > 0 ? ", " : "",
		 addr_format(addr).text);
	served_by->list[served_by->n++] = *addr;
}
