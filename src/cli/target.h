/* SPDX-License-Identifier: MIT */
/*
 * The server that a client's command line names: HOST, PORT, and of which family.
 */
#ifndef CLI_TARGET_H
#define CLI_TARGET_H

#include "base/compiler.h"
#include "base/exit_status.h"
#include "cli/command.h"
#include "client/load/bench.h"
#include "net/addr.h"

/* The rows of --ipv4 and --ipv6. */
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

/* What the man page of each client says of its operands. */
#define TARGET_PARAGRAPH                                                                       \
	"HOST is a name, an IPv4 or IPv6 address (localhost when it is left out), unix:/path " \
	"or unix:@name for a unix socket; HOST:PORT and [V6]:PORT are understood as well. "    \
	"PORT is 9877 when it is left out. All addresses of a name are tried in turn."

/*
 * Reads the operands and the two options, whose places among the command's are ipv4 and ipv6; of
 * those the command line's wins over the environment's. What is wrong is said. Returns STATUS_OK or
 * STATUS_USAGE.
 */
MUST_USE enum exit_status target_read(const struct command *command,
				      const struct arguments *arguments, size_t ipv4, size_t ipv6,
				      struct addr_spec *ret_spec, int *ret_family);

/*
 * Reads the addresses of --source, with commas between them: all of the family of *family, which
 * the first decides if that is AF_UNSPEC. Returns STATUS_OK, or says what is wrong.
 */
MUST_USE enum exit_status target_read_sources(const char *text, const struct addr_spec *server,
					      int *family,
					      struct addr ret_sources[BENCH_SOURCES_MAX],
					      size_t *ret_n);

#endif
