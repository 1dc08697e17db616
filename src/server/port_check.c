/* SPDX-License-Identifier: MIT */
#include "server/port_check.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"

#define RESERVED_LAST      1023
#define OLD_EPHEMERAL_LAST 5000
#define DYNAMIC_FIRST      49152

PRINTF_LIKE(2, 3) static void add_port_reason(struct port_advice *text, const char *format, ...)
{
	size_t used = strlen(text->text);
	if (used > 0)
		used += (size_t)snprintf(text->text + used, sizeof(text->text) - used, "; ");
	va_list values;
	va_start(values, format);
	vsnprintf(text->text + used, sizeof(text->text) - used, format, values);
	va_end(values);
}

bool port_check(uint16_t port, struct sysinfo_port_range ephemeral,
		const struct sysinfo_ports *reserved, struct port_advice *ret_text)
{
	struct port_advice text = { { 0 } };
	if (port == 0)
		return false;

	if (port <= RESERVED_LAST)
		add_port_reason(&text, "ports 1-%d are reserved for the system's own services",
				RESERVED_LAST);
	else if (port <= OLD_EPHEMERAL_LAST)
		add_port_reason(&text, "ports %d-%d were given to clients by older systems",
				RESERVED_LAST + 1, OLD_EPHEMERAL_LAST);
	if (port >= ephemeral.first && port <= ephemeral.last && !sysinfo_ports_has(reserved, port))
		add_port_reason(&text,
				"this machine gives ports %u-%u to clients (ip_local_port_range), "
				"one of them can take it while the server is down",
				ephemeral.first, ephemeral.last);
	if (port >= DYNAMIC_FIRST)
		add_port_reason(&text, "ports %d-65535 are for private and dynamic use (RFC 6335)",
				DYNAMIC_FIRST);

	if (text.text[0] == '\0')
		return false;
	*ret_text = text;
	return true;
}
