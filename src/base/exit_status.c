/* SPDX-License-Identifier: MIT */
#include "base/exit_status.h"

#include <stddef.h>

const struct exit_status_row status_rows[] = {
#define X(name, number, sentence) { name, sentence },
	STATUS_LIST(X)
#undef X
		{ STATUS_OK, NULL },
};
