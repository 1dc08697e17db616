/* SPDX-License-Identifier: MIT */
/*
 * Addresses: an address from text or from the kernel is printed, and reads as the same again. Text
 * that is no address is refused, and nothing is written.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/compiler.h"
#include "base/err.h"
#include "fuzz.h"
#include "net/addr.h"

/* ---- a resolver and an interface of our own: no files, no network, no system call ---- */

int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret_found);
int __wrap_socket(int family, int type, int protocol);
int __wrap_ioctl(int fd, unsigned long request, struct ifreq *interface);
int __wrap_close(int fd);

#define INTERFACE       "lo"
#define INTERFACE_INDEX 1
#define SOCKET_FD       1000 /* any number */

int __wrap_socket(int family, int type, int protocol)
{
	(void)type, (void)protocol;
	assert(family == AF_UNIX);
	return SOCKET_FD;
}

int __wrap_ioctl(int fd, unsigned long request, struct ifreq *interface)
{
	assert(fd == SOCKET_FD && request == SIOCGIFNAME);
	if (interface->ifr_ifindex != INTERFACE_INDEX)
		return -1;
	strcpy(interface->ifr_name, INTERFACE);
	return 0;
}

int __wrap_close(int fd)
{
	assert(fd == SOCKET_FD);
	return 0;
}

/* Makes one entry that freeaddrinfo(3) can free. */
static struct addrinfo *entry(const void *address, socklen_t size, struct addrinfo *next)
{
	struct addrinfo *made = calloc(1, sizeof(*made) + size);
	assert(made != NULL);
	made->ai_addr = (struct sockaddr *)(made + 1);
	memcpy(made->ai_addr, address, size);
	made->ai_family = made->ai_addr->sa_family;
	made->ai_addrlen = size;
	made->ai_next = next;
	return made;
}

/* Reads an IPv6 address, with or without a scope. */
static bool read_v6(const char *host, struct sockaddr_in6 *ret_v6)
{
	char plain[INET6_ADDRSTRLEN];
	size_t n = strcspn(host, "%");
	if (n >= sizeof(plain))
		return false;
	memcpy(plain, host, n);
	plain[n] = '\0';
	*ret_v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
	if (inet_pton(AF_INET6, plain, &ret_v6->sin6_addr) != 1)
		return false;
	if (host[n] == '\0')
		return true;
	char *end = NULL;
	const char *scope = host + n + 1;
	ret_v6->sin6_scope_id = strcmp(scope, INTERFACE) == 0 ? INTERFACE_INDEX
							      : (uint32_t)strtoul(scope, &end, 10);
	return ret_v6->sin6_scope_id != 0 && (end == NULL || *end == '\0');
}

/*
 * A literal gives itself. A name gives as many addresses as it has letters, or an error, depending
 * on its letters.
 */
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret_found)
{
	static const int errors[] = { EAI_NONAME, EAI_NODATA, EAI_AGAIN,  EAI_ADDRFAMILY,
				      EAI_FAMILY, EAI_MEMORY, EAI_SYSTEM, EAI_FAIL };
	(void)service, (void)hints;
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6;
	struct sockaddr odd = { .sa_family = AF_APPLETALK };
	*ret_found = NULL;
	if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
		*ret_found = entry(&v4, sizeof(v4), NULL);
	} else if (read_v6(host, &v6)) {
		*ret_found = entry(&v6, sizeof(v6), NULL);
	} else if (host[0] >= 'a') {
		for (size_t i = 0; i < strlen(host) % 32; i++)
			*ret_found = host[i] % 2 ? entry(&v4, sizeof(v4), *ret_found)
						 : entry(&odd, sizeof(odd), *ret_found);
	} else {
		return errors[(unsigned char)host[0] % ARRAY_LEN(errors)];
	}
	return 0;
}

/* ---- text ---- */

/* Returns the one address of a text that must be an address. */
static struct addr address_of(const char *text)
{
	struct addr_spec spec;
	struct addr list[ADDR_MAX_RESOLVED];
	int rc = addr_parse(text, &spec);
	assert(rc == 0 && spec.kind != ADDR_WILDCARD);
	rc = addr_resolve(&spec, AF_UNSPEC, list);
	assert(rc == 1);
	return list[0];
}

/* The printed text reads as the same address. */
static void check_format(const struct addr *addr)
{
	struct addr_text printed = addr_format(addr);
	assert(memchr(printed.text, '\0', sizeof(printed.text)) != NULL);
	struct addr again = address_of(printed.text);
	assert(addr_equal(addr, &again));
}

/* The text of addr_spec_text(), also as an ADDRESS, reads as the same. */
static void check_spec(const struct addr_spec *spec)
{
	char words[2 * ADDR_HOST_SIZE], address[2 * ADDR_HOST_SIZE];
	switch (spec->kind) {
	case ADDR_WILDCARD:
		snprintf(words, sizeof(words), "port %u", spec->port);
		snprintf(address, sizeof(address), ":%u", spec->port);
		break;
	case ADDR_HOST:
		snprintf(words, sizeof(words), "%.100s port %u", spec->host, spec->port);
		snprintf(address, sizeof(address), "[%s]:%u", spec->host, spec->port);
		break;
	case ADDR_UNIX:
		snprintf(words, sizeof(words), "unix:%s", spec->host);
		snprintf(address, sizeof(address), "unix:%s", spec->host);
		break;
	}
	assert(strcmp(addr_spec_text(spec).text, words) == 0);
	struct addr_spec again;
	int rc = addr_parse(address, &again);
	assert(rc == 0 && again.kind == spec->kind && again.port == spec->port);
	assert(spec->kind == ADDR_WILDCARD || strcmp(again.host, spec->host) == 0);
}

static void check_port(const char *text)
{
	uint16_t port = 0x5a5a;
	bool is_digits = text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
	bool is_port = is_digits && strtoul(text, NULL, 10) <= UINT16_MAX;
	int rc = addr_parse_port(text, &port);
	assert(rc == (is_port ? 0 : ERR_BAD_PORT));
	assert(port == (is_port ? strtoul(text, NULL, 10) : 0x5a5a));
}

static void check_resolve(const struct addr_spec *spec)
{
	struct addr list[ADDR_MAX_RESOLVED];
	int n = addr_resolve(spec, AF_UNSPEC, list);
	assert(n != 0 && n <= ADDR_MAX_RESOLVED);
	for (int i = 0; i < n; i++) {
		assert(addr_port(&list[i]) == spec->port);
		check_format(&list[i]);
	}
}

static void check_text(const char *text)
{
	struct addr_spec spec, untouched;
	memset(&untouched, 0x5a, sizeof(untouched));
	memcpy(&spec, &untouched, sizeof(spec));
	check_port(text);
	int rc = addr_parse(text, &spec);
	if (rc < 0) {
		assert(rc == ERR_BAD_ADDRESS || rc == ERR_BAD_PORT || rc == ERR_PATH_TOO_LONG);
		assert(memcmp(&spec, &untouched, sizeof(spec)) == 0);
		return;
	}
	assert(spec.kind == ADDR_WILDCARD || memchr(spec.host, '\0', sizeof(spec.host)) != NULL);
	if (spec.kind != ADDR_UNIX) {
		const char *colon = strrchr(text, ':');
		assert(spec.port == strtoul(colon != NULL ? colon + 1 : text, NULL, 10));
	}
	if (spec.kind == ADDR_HOST)
		assert(strncmp(text + (text[0] == '['), spec.host, strlen(spec.host)) == 0);
	check_spec(&spec);
	if (spec.kind != ADDR_WILDCARD)
		check_resolve(&spec);
}

/* ---- what the kernel gives ---- */

static struct addr kernel_address(struct fuzz_input *input)
{
	static const sa_family_t families[] = { AF_INET, AF_INET6, AF_UNIX };
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint8_t choice = fuzz_byte(input);
	struct addr addr;
	memset(&addr, 'Z', sizeof(addr)); /* bytes behind its length are undefined */
	size_t n = input->left < sizeof(addr.local.sun_path) ? input->left
							     : sizeof(addr.local.sun_path);
	memcpy(addr.local.sun_path, input->at, n); /* after the family, whatever that is */
	addr.any.sa_family = families[choice % ARRAY_LEN(families)];
	switch (addr.any.sa_family) {
	case AF_INET:
		addr.len = sizeof(addr.v4);
		break;
	case AF_INET6:
		addr.len = sizeof(addr.v6);
		addr.v6.sin6_scope_id %= 1u << choice / 16;
		if (choice & 4)
			memcpy(&addr.v6.sin6_addr, mapped, sizeof(mapped));
		break;
	default:
		addr.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
		break;
	}
	return addr;
}

/*
 * Returns whether text can express the address: a path as bind(2) takes it that does not look like
 * an abstract name, or an abstract name without a NUL in it.
 */
static bool can_be_said(const struct addr *addr)
{
	size_t n = addr->len - offsetof(struct sockaddr_un, sun_path);
	const char *path = addr->local.sun_path;
	if (n < 2)
		return false;
	if (path[0] == '\0')
		return memchr(path + 1, '\0', n - 1) == NULL && n < sizeof(addr->local.sun_path);
	return path[0] != '@' && strnlen(path, n) == n - 1;
}

/* The text of a unix address, up to a NUL in it. */
static void check_unix(const struct addr *addr, const char *printed)
{
	const char *path = addr->local.sun_path, *prefix = "unix:";
	size_t n = addr->len - offsetof(struct sockaddr_un, sun_path);
	if (n > 0 && path[0] == '\0') {
		prefix = "unix:@";
		path++;
		n--;
	}
	n = strnlen(path, n);
	assert(strncmp(printed, prefix, strlen(prefix)) == 0);
	printed += strlen(prefix);
	assert(strlen(printed) == n && memcmp(printed, path, n) == 0);
}

static void check_source(const struct addr *addr, const struct addr *plain)
{
	uint64_t source, same, other;
	if (!addr_source(addr, &source)) {
		assert(addr->any.sa_family == AF_UNIX);
		return;
	}
	assert(addr->any.sa_family != AF_UNIX);
	assert(addr_source(plain, &same) && same == source);
	if (plain->any.sa_family == AF_INET6) {
		struct addr host = *plain, network = *plain;
		host.v6.sin6_addr.s6_addr[15] ^= 1;
		network.v6.sin6_addr.s6_addr[7] ^= 1;
		assert(addr_source(&host, &same) && same == source);
		assert(addr_source(&network, &other) && other != source);
	}
}

static void check_address(const struct addr *addr)
{
	struct addr copy = *addr, plain = *addr, twice;
	assert(addr_equal(addr, &copy));
	addr_unmap(&plain);
	twice = plain;
	addr_unmap(&twice);
	assert(addr_equal(&plain, &twice) && addr_port(&plain) == addr_port(addr));
	check_source(addr, &plain);
	if (plain.any.sa_family != addr->any.sa_family)
		assert(memcmp(&plain.v4.sin_addr, &addr->v6.sin6_addr.s6_addr[16 - 4], 4) == 0);

	struct addr_text printed = addr_format(addr);
	assert(memchr(printed.text, '\0', sizeof(printed.text)) != NULL);
	if (addr->any.sa_family == AF_UNIX)
		check_unix(addr, printed.text);
	if (addr->any.sa_family != AF_UNIX || can_be_said(addr))
		check_format(addr);
	addr_set_port(&copy, 4711);
	assert(addr_port(&copy) == (addr->any.sa_family == AF_UNIX ? 0 : 4711));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input as_text = { data, size }, as_bytes = { data, size };
	char *text = fuzz_string(&as_text);
	check_text(text);
	free(text);
	struct addr addr = kernel_address(&as_bytes);
	check_address(&addr);
	return 0;
}
