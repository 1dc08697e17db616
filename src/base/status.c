/* SPDX-License-Identifier: MIT */
#include "base/status.h"

#include <stddef.h>

const struct status_row status_rows[] = {
#define X(name, number, sentence) { name, sentence },
	STATUS_LIST(X)
#undef X
		{ STATUS_OK, NULL },
};
