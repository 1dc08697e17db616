/* SPDX-License-Identifier: MIT */
/*
 * The server on a client's command line: HOST, PORT and address family.
 */
#ifndef CLI_TARGET_H
#define CLI_TARGET_H

#include "base/compiler.h"
#include "base/exit_status.h"
#include "cli/command.h"
#include "client/load/bench.h"
#include "net/addr.h"

/* Option rows of --ipv4 and --ipv6. */
#define TARGET_IPV4_ROW                                                                      \
	{                                                                                    \
		.letter = '4', .name = "ipv4", .kind = OPTION_FLAG, .help = "use IPv4 only", \
		.details = "Try only the IPv4 addresses of HOST.",                           \
	}
#define TARGET_IPV6_ROW                                                                      \
	{                                                                                    \
		.letter = '6', .name = "ipv6", .kind = OPTION_FLAG, .help = "use IPv6 only", \
		.details = "Try only the IPv6 addresses of HOST.",                           \
	}

/* Man page text about the operands of a client. */
#define TARGET_PARAGRAPH                                                                           \
	"HOST is a name, an IPv4 or IPv6 address, unix:/path or unix:@name (default: localhost). " \
	"PORT is a number (default: 9877). HOST:PORT and [V6]:PORT are accepted too. All "         \
	"addresses of a name are tried in turn."

/*
 * Parses the operands and the options --ipv4 and --ipv6, whose row numbers are ipv4 and ipv6. The
 * command line has priority over the environment. Errors are reported. Returns STATUS_OK or
 * STATUS_USAGE.
 */
MUST_USE enum exit_status target_read(const struct command *command,
				      const struct arguments *arguments, size_t ipv4, size_t ipv6,
				      struct addr_spec *ret_spec, int *ret_family);

/*
 * Parses the addresses of --source, separated by commas. All must have the family *family; if that
 * is AF_UNSPEC, the first address sets it. Returns STATUS_OK, or reports the error.
 */
MUST_USE enum exit_status target_read_sources(const char *text, const struct addr_spec *server,
					      int *family,
					      struct addr ret_sources[BENCH_SOURCES_MAX],
					      size_t *ret_n);

#endif
