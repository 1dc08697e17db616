/* SPDX-License-Identifier: MIT */
#include "cli/target.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "cli/option.h"

#define DEFAULT_HOST "localhost"
#define DEFAULT_PORT 9877

/* Returns whether a text has a port and is not only a host. "::1" is a host. */
static bool has_port(const char *text)
{
	if (text[0] == '[')
		return strstr(text, "]:") != NULL;
	const char *colon = strchr(text, ':');
	return colon != NULL && colon == strrchr(text, ':');
}

/* Parses HOST, "[V6]", "unix:..." or, for convenience, HOST:PORT as serve prints it. */
MUST_USE static int parse_host(const char *text, struct addr_spec *ret_spec)
{
	if (strncmp(text, "unix:", 5) == 0 || has_port(text))
		return addr_parse(text, ret_spec);

	struct addr_spec spec = { .kind = ADDR_HOST, .port = DEFAULT_PORT };
	size_t n = strlen(text);
	if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(spec.host))
		return ERR_BAD_ADDRESS;
	memcpy(spec.host, text, n);
	*ret_spec = spec;
	return 0;
}

MUST_USE static enum exit_status parse_server(const struct command *command,
					      const struct arguments *arguments,
					      struct addr_spec *ret_spec)
{
	const char *host = arguments->n_operands > 0 ? arguments->operands[0] : DEFAULT_HOST;
	if (*host != '\0' && strspn(host, "0123456789") == strlen(host)) {
		/* For the resolver, 9877 is the address 0.0.38.149. */
		log_error("%.300s: a port needs a host (write 'tcpecho %s localhost %.5s')", host,
			  command->name, host);
		return STATUS_USAGE;
	}
	int rc = parse_host(host, ret_spec);
	if (rc == 0 && ret_spec->kind == ADDR_WILDCARD)
		rc = ERR_BAD_ADDRESS;
	if (rc == ERR_BAD_ADDRESS) {
		log_error("%.300s: not an address of a server (write HOST [PORT], HOST:PORT, "
			  "[V6]:PORT, unix:/path or unix:@name)",
			  option_shown(host));
		return STATUS_USAGE;
	}
	if (rc < 0) {
		log_error("%.300s: %s", option_shown(host), err_text(rc).text);
		return STATUS_USAGE;
	}
	if (ret_spec->kind == ADDR_UNIX && arguments->n_operands < 2)
		return STATUS_OK;

	const char *port = arguments->n_operands < 2 ? host : arguments->operands[1];
	if (arguments->n_operands == 2) {
		if (ret_spec->kind == ADDR_UNIX || has_port(host)) {
			log_error("%.300s %.300s: the address already has a port", host,
				  option_shown(port));
			return STATUS_USAGE;
		}
		if (addr_parse_port(port, &ret_spec->port) < 0)
			ret_spec->port = 0;
	}
	if (ret_spec->port == 0) {
		log_error("%.300s: the port must be a number from 1 to 65535", option_shown(port));
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

/* If --ipv4 and --ipv6 are both set, the command line has priority over the environment. */
MUST_USE static enum exit_status choose_family(const struct arguments *arguments, size_t ipv4,
					       size_t ipv6, int *ret_family)
{
	bool v4 = arguments->values[ipv4], v6 = arguments->values[ipv6];
	if (v4 && v6) {
		v4 = arguments->sources[ipv4] > arguments->sources[ipv6];
		v6 = arguments->sources[ipv6] > arguments->sources[ipv4];
		if (!v4 && !v6) {
			log_error("--ipv4 and --ipv6 exclude each other");
			return STATUS_USAGE;
		}
	}
	*ret_family = v4 ? AF_INET : v6 ? AF_INET6 : AF_UNSPEC;
	return STATUS_OK;
}

enum exit_status target_read(const struct command *command, const struct arguments *arguments,
			     size_t ipv4, size_t ipv6, struct addr_spec *ret_spec, int *ret_family)
{
	if (arguments->n_operands > 2) {
		log_error("%.300s: too many operands (write HOST [PORT])",
			  option_shown(arguments->operands[2]));
		return STATUS_USAGE;
	}
	enum exit_status status = choose_family(arguments, ipv4, ipv6, ret_family);
	return status == STATUS_OK ? parse_server(command, arguments, ret_spec) : status;
}

/* Parses one address. It must have the family *family; if that is AF_UNSPEC, it sets the family. */
MUST_USE static enum exit_status read_source(const char *text, size_t length, int *family,
					     struct addr *ret_source)
{
	struct addr list[ADDR_MAX_RESOLVED];
	struct addr_spec spec = { .kind = ADDR_HOST };
	int rc = ERR_NO_SUCH_HOST;
	if (length == 0) {
		log_error("--source: an address is missing before or after a comma");
		return STATUS_USAGE;
	}
	if (length < sizeof(spec.host)) {
		memcpy(spec.host, text, length);
		rc = addr_resolve(&spec, *family, list);
	}
	if (rc < 0) {
		log_error("--source %.*s: %s%s", length < 300 ? (int)length : 300, text,
			  err_text(rc).text, err_remedy(rc));
		return err_is_local(rc) ? STATUS_MACHINE : STATUS_NO_CONNECTION;
	}
	*ret_source = list[0];
	*family = list[0].any.sa_family;
	return STATUS_OK;
}

enum exit_status target_read_sources(const char *text, const struct addr_spec *server, int *family,
				     struct addr ret_sources[BENCH_SOURCES_MAX], size_t *ret_n)
{
	size_t n = 0;
	if (server->kind == ADDR_UNIX) {
		log_error("option --source does not apply to a unix socket");
		return STATUS_USAGE;
	}
	for (;;) {
		size_t length = strcspn(text, ",");
		if (n == BENCH_SOURCES_MAX) {
			log_error("--source: too many addresses, at most %d", BENCH_SOURCES_MAX);
			return STATUS_USAGE;
		}
		enum exit_status status = read_source(text, length, family, &ret_sources[n++]);
		if (status != STATUS_OK)
			return status;
		if (text[length] == '\0')
			break;
		text += length + 1;
	}
	*ret_n = n;
	return STATUS_OK;
}
