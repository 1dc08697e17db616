/* SPDX-License-Identifier: MIT */
#include "net/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/units.h"
#include "net/io.h"

/* ---- parsing ---- */

/* Returns whether the directory of a path is missing. */
static bool is_directory_missing(const char *path)
{
	char directory[ADDR_HOST_SIZE];
	const char *slash = strrchr(path, '/');
	struct stat info;
	if (slash == NULL || slash == path)
		return false;
	snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
	return stat(directory, &info) < 0 && errno == ENOENT;
}

const char *addr_path_remark(const struct addr_spec *spec)
{
	const char *path = spec->host;
	struct stat info;
	if (spec->kind != ADDR_UNIX || path[0] == '@')
		return "";
	if (lstat(path, &info) < 0)
		return errno == ENOENT && is_directory_missing(path)
			       ? " (its directory does not exist)"
			       : "";
	if (S_ISLNK(info.st_mode) && stat(path, &info) < 0)
		return errno == ENOENT ? " (the path is a link to a missing file)" : "";
	if (S_ISDIR(info.st_mode))
		return " (the path is a directory)";
	if (S_ISREG(info.st_mode))
		return " (the path is a regular file)";
	return S_ISSOCK(info.st_mode) ? "" : " (the path is not a socket)";
}

int addr_parse_port(const char *text, uint16_t *ret_port)
{
	uint64_t port;
	if (units_parse_count(text, &port) < 0 || port > UINT16_MAX)
		return ERR_BAD_PORT;
	*ret_port = (uint16_t)port;
	return 0;
}

MUST_USE static int take_host(const char *host, size_t n, struct addr_spec *spec)
{
	if (n == 0 || n >= sizeof(spec->host))
		return ERR_BAD_ADDRESS;
	memcpy(spec->host, host, n);
	spec->host[n] = '\0';
	spec->kind = ADDR_HOST;
	return 0;
}

MUST_USE static int parse_unix(const char *name, struct addr_spec *spec)
{
	size_t n = strlen(name);
	if (n == 0 || (name[0] == '@' && n == 1))
		return ERR_BAD_ADDRESS;
	if (n >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return ERR_PATH_TOO_LONG;
	memcpy(spec->host, name, n + 1);
	spec->kind = ADDR_UNIX;
	return 0;
}

int addr_parse(const char *text, struct addr_spec *ret_spec)
{
	static const char unix_prefix[] = "unix:";
	struct addr_spec spec = { .kind = ADDR_WILDCARD };
	const char *port = text;
	int rc = 0;

	if (strncmp(text, unix_prefix, strlen(unix_prefix)) == 0) {
		rc = parse_unix(text + strlen(unix_prefix), &spec);
		port = NULL;
	} else if (text[0] == '[') {
		const char *end = strstr(text, "]:");
		if (end == NULL)
			return ERR_BAD_ADDRESS;
		rc = take_host(text + 1, (size_t)(end - text) - 1, &spec);
		port = end + 2;
	} else if (text[0] == ':' && strchr(text + 1, ':') == NULL) {
		port = text + 1;
	} else if (strchr(text, ':') != NULL) {
		const char *colon = strchr(text, ':');
		if (colon != strrchr(text, ':')) /* an IPv6 address without brackets */
			return ERR_BAD_ADDRESS;
		rc = take_host(text, (size_t)(colon - text), &spec);
		port = colon + 1;
	} else if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text)) {
		return ERR_BAD_ADDRESS;
	}

	if (rc == 0 && port != NULL)
		rc = addr_parse_port(port, &spec.port);
	if (rc == 0)
		*ret_spec = spec;
	return rc;
}

/* ---- resolving ---- */

/* Returns our code for an error of getaddrinfo(3). */
static int resolver_code(int eai, int saved_errno)
{
	/* It returns EAI_NONAME if it could not open its files and sockets. */
	if (saved_errno == EMFILE || saved_errno == ENFILE || saved_errno == ENOMEM)
		return -saved_errno;
	switch (eai) {
	case EAI_NONAME:
	case EAI_NODATA:
		return ERR_NO_SUCH_HOST;
	case EAI_AGAIN:
		return ERR_NAME_SERVER;
	case EAI_ADDRFAMILY:
	case EAI_FAMILY:
		return ERR_NO_ADDRESS;
	case EAI_MEMORY:
		return -ENOMEM;
	case EAI_SYSTEM:
		return saved_errno != 0 ? -saved_errno : ERR_RESOLVER;
	default:
		return ERR_RESOLVER;
	}
}

static struct addr unix_addr(const char *name)
{
	struct addr addr = { .local = { .sun_family = AF_UNIX } };
	size_t n = strlen(name);
	assert(n < sizeof(addr.local.sun_path)); /* checked by parse_unix() */
	memcpy(addr.local.sun_path, name, n);
	size_t size = offsetof(struct sockaddr_un, sun_path) + n;
	if (name[0] == '@')
		addr.local.sun_path[0] = '\0'; /* an abstract name has no NUL: its length ends it */
	else
		size++; /* the NUL of a path counts */
	addr.len = (socklen_t)size;
	return addr;
}

/*
 * "localhost" is loopback even if it cannot be resolved, as in a container without /etc/hosts (RFC
 * 6761 6.3).
 */
static int resolve_loopback(uint16_t port, int family, struct addr ret_list[ADDR_MAX_RESOLVED])
{
	int n = 0;
	if (family != AF_INET) {
		ret_list[n] = addr_wildcard(AF_INET6, port);
		ret_list[n++].v6.sin6_addr = in6addr_loopback;
	}
	if (family != AF_INET6) {
		ret_list[n] = addr_wildcard(AF_INET, port);
		ret_list[n++].v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
	return n;
}

/* Returns whether list[n] is already in the list: /etc/hosts may repeat an address. */
static bool is_repeated(const struct addr *list, int n)
{
	for (int i = 0; i < n; i++) {
		if (addr_equal(&list[i], &list[n]))
			return true;
	}
	return false;
}

int addr_resolve(const struct addr_spec *spec, int family, struct addr ret_list[ADDR_MAX_RESOLVED])
{
	assert(spec->kind != ADDR_WILDCARD);
	if (spec->kind == ADDR_UNIX) {
		ret_list[0] = unix_addr(spec->host);
		return 1;
	}

	struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	errno = 0;
	int eai = getaddrinfo(spec->host, NULL, &hints, &found);
	if (eai != 0 && strcmp(spec->host, "localhost") == 0)
		return resolve_loopback(spec->port, family, ret_list);
	if (eai == EAI_NONAME && strchr(spec->host, '%') != NULL)
		return ERR_NO_INTERFACE;
	if (eai != 0)
		return resolver_code(eai, errno);

	int n = 0;
	for (struct addrinfo *at = found; at != NULL && n < ADDR_MAX_RESOLVED; at = at->ai_next) {
		if (at->ai_family != AF_INET && at->ai_family != AF_INET6)
			continue;
		ret_list[n] = (struct addr){ .len = at->ai_addrlen };
		memcpy(&ret_list[n].any, at->ai_addr, at->ai_addrlen);
		addr_set_port(&ret_list[n], spec->port);
		n += !is_repeated(ret_list, n);
	}
	freeaddrinfo(found);
	return n > 0 ? n : ERR_NO_ADDRESS;
}

struct addr addr_wildcard(int family, uint16_t port)
{
	if (family == AF_INET)
		return (struct addr){
			.len = sizeof(struct sockaddr_in),
			.v4 = { .sin_family = AF_INET, .sin_port = htons(port) },
		};
	return (struct addr){
		.len = sizeof(struct sockaddr_in6),
		.v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) },
	};
}

/* ---- addresses of a socket ---- */

int addr_of_socket(int fd, struct addr *ret_addr)
{
	struct addr addr = { .len = sizeof(addr.local) };
	if (getsockname(fd, &addr.any, &addr.len) < 0)
		return -errno;
	*ret_addr = addr;
	return 0;
}

int addr_of_peer(int fd, struct addr *ret_addr)
{
	struct addr addr = { .len = sizeof(addr.local) };
	if (getpeername(fd, &addr.any, &addr.len) < 0)
		return -errno;
	*ret_addr = addr;
	return 0;
}

/* ---- parts of an address ---- */

uint16_t addr_port(const struct addr *addr)
{
	switch (addr->any.sa_family) {
	case AF_INET:
		return ntohs(addr->v4.sin_port);
	case AF_INET6:
		return ntohs(addr->v6.sin6_port);
	default:
		return 0;
	}
}

void addr_set_port(struct addr *addr, uint16_t port)
{
	if (addr->any.sa_family == AF_INET)
		addr->v4.sin_port = htons(port);
	else if (addr->any.sa_family == AF_INET6)
		addr->v6.sin6_port = htons(port);
}

bool addr_is_local(const struct addr *addr)
{
	switch (addr->any.sa_family) {
	case AF_INET:
		return ntohl(addr->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(&addr->v6.sin6_addr);
	default:
		return addr->any.sa_family == AF_UNIX;
	}
}

void addr_unmap(struct addr *addr)
{
	if (addr->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&addr->v6.sin6_addr))
		return;
	struct addr plain = addr_wildcard(AF_INET, addr_port(addr));
	memcpy(&plain.v4.sin_addr, &addr->v6.sin6_addr.s6_addr[12], sizeof(plain.v4.sin_addr));
	*addr = plain;
}

bool addr_is_unicast(const struct addr *addr)
{
	struct addr plain = *addr;
	addr_unmap(&plain);
	if (plain.any.sa_family == AF_INET6)
		return !IN6_IS_ADDR_MULTICAST(&plain.v6.sin6_addr);
	if (plain.any.sa_family != AF_INET)
		return true;
	uint32_t host = ntohl(plain.v4.sin_addr.s_addr);
	return !IN_MULTICAST(host) && host != INADDR_BROADCAST;
}

/* Returns whether `host` is the broadcast address of the network of this interface address. */
static bool is_broadcast_of(const struct ifaddrs *interface, uint32_t host)
{
	if (interface->ifa_addr == NULL || interface->ifa_addr->sa_family != AF_INET ||
	    interface->ifa_netmask == NULL)
		return false;
	const struct sockaddr_in *own = (const void *)interface->ifa_addr;
	const struct sockaddr_in *mask = (const void *)interface->ifa_netmask;
	uint32_t host_bits = ~ntohl(mask->sin_addr.s_addr);
	/* A network of one or two addresses has no broadcast address (RFC 3021). */
	return host_bits > 1 && host == (ntohl(own->sin_addr.s_addr) | host_bits);
}

bool addr_is_subnet_broadcast(const struct addr *addr)
{
	struct addr plain = *addr;
	struct ifaddrs *list;
	addr_unmap(&plain);
	if (plain.any.sa_family != AF_INET || getifaddrs(&list) < 0)
		return false;
	bool is = false;
	for (const struct ifaddrs *at = list; at != NULL && !is; at = at->ifa_next)
		is = is_broadcast_of(at, ntohl(plain.v4.sin_addr.s_addr));
	freeifaddrs(list);
	return is;
}

int addr_error(const struct addr *addr, int saved_errno)
{
	/* From connect(2), before anything is sent. */
	if (saved_errno == ENETUNREACH &&
	    (!addr_is_unicast(addr) || addr_is_subnet_broadcast(addr)))
		return ERR_NOT_UNICAST;
	bool lacks_zone = addr->any.sa_family == AF_INET6 && addr->v6.sin6_scope_id == 0 &&
			  IN6_IS_ADDR_LINKLOCAL(&addr->v6.sin6_addr);
	return saved_errno == EINVAL && lacks_zone ? ERR_NO_ZONE : -saved_errno;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	switch (a->any.sa_family) {
	case AF_INET:
		return a->v4.sin_port == b->v4.sin_port &&
		       a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	case AF_INET6:
		return a->v6.sin6_port == b->v6.sin6_port &&
		       a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
		       IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr);
	default:
		return a->len == b->len && memcmp(&a->any, &b->any, a->len) == 0;
	}
}

/* IPv4 is mapped to 0:ffff::/32, which no IPv6 address uses: 0000::/8 is reserved (RFC 4291). */
#define V4_SOURCE (UINT64_C(0xffff) << 32)

bool addr_source(const struct addr *addr, uint64_t *ret_source)
{
	struct addr plain = *addr;
	addr_unmap(&plain);
	uint64_t network;
	switch (plain.any.sa_family) {
	case AF_INET:
		*ret_source = V4_SOURCE | ntohl(plain.v4.sin_addr.s_addr);
		return true;
	case AF_INET6:
		memcpy(&network, plain.v6.sin6_addr.s6_addr, sizeof(network));
		*ret_source = be64toh(network);
		return true;
	default:
		return false;
	}
}

/* ---- formatting ---- */

struct addr_text addr_spec_text(const struct addr_spec *spec)
{
	struct addr_text out;
	switch (spec->kind) {
	case ADDR_WILDCARD:
		snprintf(out.text, sizeof(out.text), "port %u", spec->port);
		break;
	case ADDR_HOST:
		snprintf(out.text, sizeof(out.text), "%.100s port %u", spec->host, spec->port);
		break;
	case ADDR_UNIX:
		snprintf(out.text, sizeof(out.text), "unix:%.110s", spec->host);
		break;
	}
	return out;
}

/*
 * Finds the name of an interface. if_indextoname(3) is not used: it opens a datagram socket, which
 * could send anywhere, so the server's sandbox forbids it (server/sandbox.c). The ioctl works on
 * any socket.
 */
MUST_USE static bool find_zone(uint32_t index, char name[IF_NAMESIZE])
{
	struct ifreq request = { .ifr_ifindex = (int)index };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	bool found = ioctl(fd, SIOCGIFNAME, &request) == 0;
	io_close(&fd);
	if (found)
		memcpy(name, request.ifr_name, IF_NAMESIZE);
	return found;
}

static void format_v6(const struct sockaddr_in6 *v6, struct addr_text *out)
{
	char host[INET6_ADDRSTRLEN];
	char scope[IF_NAMESIZE];
	inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
	unsigned int port = ntohs(v6->sin6_port);
	if (v6->sin6_scope_id == 0)
		snprintf(out->text, sizeof(out->text), "[%s]:%u", host, port);
	else if (find_zone(v6->sin6_scope_id, scope))
		snprintf(out->text, sizeof(out->text), "[%s%%%s]:%u", host, scope, port);
	else
		snprintf(out->text, sizeof(out->text), "[%s%%%u]:%u", host, v6->sin6_scope_id,
			 port);
}

static void format_unix(const struct addr *addr, struct addr_text *out)
{
	size_t head = offsetof(struct sockaddr_un, sun_path);
	size_t n = addr->len > head ? addr->len - head : 0;
	const char *path = addr->local.sun_path;
	if (n == 0)
		snprintf(out->text, sizeof(out->text), "unix:");
	else if (path[0] == '\0')
		snprintf(out->text, sizeof(out->text), "unix:@%.*s", (int)(n - 1), path + 1);
	else
		snprintf(out->text, sizeof(out->text), "unix:%.*s", (int)n, path);
}

struct addr_text addr_format(const struct addr *addr)
{
	struct addr_text out = { { 0 } };
	char host[INET_ADDRSTRLEN];
	switch (addr->any.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &addr->v4.sin_addr, host, sizeof(host));
		snprintf(out.text, sizeof(out.text), "%s:%u", host, ntohs(addr->v4.sin_port));
		break;
	case AF_INET6:
		format_v6(&addr->v6, &out);
		break;
	case AF_UNIX:
		format_unix(addr, &out);
		break;
	default:
		snprintf(out.text, sizeof(out.text), "?");
		break;
	}
	return out;
}
