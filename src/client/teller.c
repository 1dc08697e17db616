/* SPDX-License-Identifier: MIT */
#include "client/teller.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

void teller_say(struct teller *teller, const char *format, ...)
{
	struct timespec now;
	if (teller->is_quiet)
		return;
	if (teller->has_timestamps) {
		clock_gettime(CLOCK_REALTIME, &now);
		printf("[%jd.%06ld] ", (intmax_t)now.tv_sec, now.tv_nsec / 1000);
	}
	va_list values;
	va_start(values, format);
	vprintf(format, values);
	va_end(values);
	putchar('\n');
	teller->has_said = true;
}

void teller_flush(struct teller *teller)
{
	if (teller->has_said)
		fflush(stdout);
	teller->has_said = false;
}
