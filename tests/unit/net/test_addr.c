/* SPDX-License-Identifier: MIT */
/*
 * Addresses: what people write is understood or refused with a reason, a printed address can be
 * read again, and limits can rely on a source.
 */
#include "net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "resolver.h"
#include "unit.h"

/* ---- from text ---- */

struct row {
	const char *text;
	int rc;
	enum addr_kind kind;
	uint16_t port;
	const char *host;
};

static const struct row rows[] = {
	/* PORT and :PORT are every interface */
	{ "9877", 0, ADDR_WILDCARD, 9877, "" },
	{ ":9877", 0, ADDR_WILDCARD, 9877, "" },
	{ "0", 0, ADDR_WILDCARD, 0, "" },
	{ ":0", 0, ADDR_WILDCARD, 0, "" },
	{ "65535", 0, ADDR_WILDCARD, 65535, "" },
	{ "007", 0, ADDR_WILDCARD, 7, "" },

	/* HOST:PORT */
	{ "localhost:7", 0, ADDR_HOST, 7, "localhost" },
	{ "192.0.2.7:51334", 0, ADDR_HOST, 51334, "192.0.2.7" },
	{ "*:7", 0, ADDR_HOST, 7, "*" },
	{ "a b:7", 0, ADDR_HOST, 7, "a b" },

	/* [V6]:PORT */
	{ "[::]:9877", 0, ADDR_HOST, 9877, "::" },
	{ "[2001:db8::1]:65535", 0, ADDR_HOST, 65535, "2001:db8::1" },
	{ "[fe80::1%eth0]:1", 0, ADDR_HOST, 1, "fe80::1%eth0" },
	{ "[localhost]:1", 0, ADDR_HOST, 1, "localhost" },

	/* unix:/path and unix:@name */
	{ "unix:/run/echo", 0, ADDR_UNIX, 0, "/run/echo" },
	{ "unix:echo", 0, ADDR_UNIX, 0, "echo" },
	{ "unix:/a:b:1", 0, ADDR_UNIX, 0, "/a:b:1" },
	{ "unix:@echo", 0, ADDR_UNIX, 0, "@echo" },
	{ "unix:7", 0, ADDR_UNIX, 0, "7" },

	/* no port, or an invalid one */
	{ ":", ERR_BAD_PORT },
	{ "localhost:", ERR_BAD_PORT },
	{ "[::1]:", ERR_BAD_PORT },
	{ "65536", ERR_BAD_PORT },
	{ ":65536", ERR_BAD_PORT },
	{ "localhost:99999999999999999999", ERR_BAD_PORT },
	{ "localhost:http", ERR_BAD_PORT },
	{ "localhost:-1", ERR_BAD_PORT },
	{ "localhost: 7", ERR_BAD_PORT },
	{ "localhost:7 ", ERR_BAD_PORT },
	{ "[::1]:7]:8", ERR_BAD_PORT },
	{ "[::1]:0x7", ERR_BAD_PORT },

	/* not an address */
	{ "", ERR_BAD_ADDRESS },
	{ "localhost", ERR_BAD_ADDRESS },
	{ "-1", ERR_BAD_ADDRESS },
	{ "+7", ERR_BAD_ADDRESS },
	{ "7 ", ERR_BAD_ADDRESS },
	{ "0x7", ERR_BAD_ADDRESS },
	{ "@echo", ERR_BAD_ADDRESS },
	{ "/run/echo", ERR_BAD_ADDRESS },
	{ "[::1]", ERR_BAD_ADDRESS },
	{ "[::1", ERR_BAD_ADDRESS },
	{ "[::1]7", ERR_BAD_ADDRESS },
	{ "[]:7", ERR_BAD_ADDRESS },
	{ "2001:db8::1", ERR_BAD_ADDRESS },
	{ "2001:db8::1:7", ERR_BAD_ADDRESS },
	{ "::1", ERR_BAD_ADDRESS },
	{ "::", ERR_BAD_ADDRESS },
	{ "a:b:7", ERR_BAD_ADDRESS },
	{ "unix:", ERR_BAD_ADDRESS },
	{ "unix:@", ERR_BAD_ADDRESS },
};

TEST(an_address_is_understood_or_refused_with_its_reason)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		struct addr_spec spec = { .port = 4242, .host = "untouched" };
		int rc = addr_parse(row->text, &spec);
		if (rc != row->rc)
			fail_msg("\"%s\" gave %s", row->text, err_name(rc));
		assert_int_equal(spec.port, rc == 0 ? row->port : 4242);
		assert_string_equal(spec.host, rc == 0 ? row->host : "untouched");
		if (rc == 0)
			assert_int_equal(spec.kind, row->kind);
	}
}

/* prefix, then n times x, then suffix. */
static const char *long_text(const char *prefix, size_t n, const char *suffix)
{
	static char text[1024];
	assert_true(strlen(prefix) + n + strlen(suffix) < sizeof(text));
	snprintf(text, sizeof(text), "%s", prefix);
	memset(text + strlen(prefix), 'x', n);
	snprintf(text + strlen(prefix) + n, sizeof(text) - strlen(prefix) - n, "%s", suffix);
	return text;
}

TEST(a_host_name_has_255_bytes_at_most)
{
	struct addr_spec spec;
	assert_int_equal(addr_parse(long_text("", ADDR_HOST_SIZE - 1, ":7"), &spec), 0);
	assert_int_equal(strlen(spec.host), ADDR_HOST_SIZE - 1);
	assert_int_equal(addr_parse(long_text("", ADDR_HOST_SIZE, ":7"), &spec), ERR_BAD_ADDRESS);
	assert_int_equal(addr_parse(long_text("[", ADDR_HOST_SIZE - 1, "]:7"), &spec), 0);
	assert_int_equal(addr_parse(long_text("[", ADDR_HOST_SIZE, "]:7"), &spec), ERR_BAD_ADDRESS);
}

TEST(a_unix_path_has_107_bytes_at_most)
{
	struct addr_spec spec;
	assert_int_equal(addr_parse(long_text("unix:/", 106, ""), &spec), 0);
	assert_int_equal(strlen(spec.host), 107);
	assert_int_equal(addr_parse(long_text("unix:/", 107, ""), &spec), ERR_PATH_TOO_LONG);
	assert_int_equal(addr_parse(long_text("unix:@", 106, ""), &spec), 0);
	assert_int_equal(addr_parse(long_text("unix:@", 107, ""), &spec), ERR_PATH_TOO_LONG);
	assert_int_equal(addr_parse(long_text("unix:@", 900, ""), &spec), ERR_PATH_TOO_LONG);
}

TEST(a_port_is_a_number_of_16_bits)
{
	static const struct {
		const char *text;
		int rc;
		uint16_t port;
	} ports[] = {
		{ "0", 0, 0 },
		{ "1", 0, 1 },
		{ "65535", 0, 65535 },
		{ "65536", ERR_BAD_PORT },
		{ "131073", ERR_BAD_PORT },
		{ "18446744073709551617", ERR_BAD_PORT },
		{ "", ERR_BAD_PORT },
		{ "-1", ERR_BAD_PORT },
		{ "echo", ERR_BAD_PORT },
		{ "7.", ERR_BAD_PORT },
	};
	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		uint16_t port = 4242;
		assert_int_equal(addr_parse_port(ports[i].text, &port), ports[i].rc);
		assert_int_equal(port, ports[i].rc == 0 ? ports[i].port : 4242);
	}
}

/* ---- looking up ---- */

/* Returns the address of an ADDRESS text, which must have one. */
static struct addr addr_from(const char *text)
{
	struct addr_spec spec;
	struct addr list[ADDR_MAX_RESOLVED];
	assert_int_equal(addr_parse(text, &spec), 0);
	int n = addr_resolve(&spec, AF_UNSPEC, list);
	if (n != 1)
		fail_msg("%s resolved to %d", text, n);
	return list[0];
}

TEST(literal_addresses_need_no_name_server)
{
	struct addr v4 = addr_from("192.0.2.7:51334");
	assert_int_equal(v4.len, sizeof(struct sockaddr_in));
	assert_int_equal(v4.v4.sin_family, AF_INET);
	assert_int_equal(ntohs(v4.v4.sin_port), 51334);
	assert_int_equal(ntohl(v4.v4.sin_addr.s_addr), 0xc0000207);

	struct addr v6 = addr_from("[2001:db8::1]:9877");
	assert_int_equal(v6.len, sizeof(struct sockaddr_in6));
	assert_int_equal(v6.v6.sin6_family, AF_INET6);
	assert_int_equal(addr_port(&v6), 9877);
}

TEST(a_path_is_looked_up_as_it_is_with_its_end)
{
	struct addr path = addr_from("unix:/run/echo");
	assert_int_equal(path.local.sun_family, AF_UNIX);
	assert_string_equal(path.local.sun_path, "/run/echo");
	assert_int_equal(path.len, offsetof(struct sockaddr_un, sun_path) + sizeof("/run/echo"));

	struct addr longest = addr_from(long_text("unix:/", 106, ""));
	assert_int_equal(longest.len, sizeof(struct sockaddr_un));
}

TEST(an_abstract_name_begins_with_nul_and_ends_with_its_length)
{
	struct addr name = addr_from("unix:@echo");
	assert_int_equal(name.len, offsetof(struct sockaddr_un, sun_path) + 5);
	assert_memory_equal(name.local.sun_path, "\0echo", 5);
}

TEST(the_family_that_was_asked_for_is_the_one_that_comes)
{
	static const struct {
		const char *text;
		int family, rc;
	} families[] = {
		{ "127.0.0.1:7", AF_INET, 1 },
		{ "127.0.0.1:7", AF_INET6, ERR_NO_ADDRESS },
		{ "[::1]:7", AF_INET6, 1 },
		{ "[::1]:7", AF_INET, ERR_NO_ADDRESS },
	};
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct addr_spec spec;
		struct addr list[ADDR_MAX_RESOLVED];
		assert_int_equal(addr_parse(families[i].text, &spec), 0);
		assert_int_equal(addr_resolve(&spec, families[i].family, list), families[i].rc);
	}
}

static int resolve(const char *host, int family, struct addr list[ADDR_MAX_RESOLVED])
{
	struct addr_spec spec = { .kind = ADDR_HOST, .port = 7 };
	snprintf(spec.host, sizeof(spec.host), "%s", host);
	return addr_resolve(&spec, family, list);
}

TEST(every_word_of_the_resolver_has_its_code)
{
	static const struct {
		struct resolver_name name;
		int code;
	} words[] = {
		{ { "echo", EAI_NONAME }, ERR_NO_SUCH_HOST },
		{ { "echo", EAI_NODATA }, ERR_NO_SUCH_HOST },
		{ { "echo", EAI_AGAIN }, ERR_NAME_SERVER },
		{ { "echo", EAI_ADDRFAMILY }, ERR_NO_ADDRESS },
		{ { "echo", EAI_FAMILY }, ERR_NO_ADDRESS },
		{ { "echo", EAI_MEMORY }, -ENOMEM },
		{ { "echo", EAI_SYSTEM, EMFILE }, -EMFILE },
		{ { "echo", EAI_SYSTEM, 0 }, ERR_RESOLVER },
		{ { "echo", EAI_NONAME, EMFILE }, -EMFILE }, /* it could not open /etc/hosts */
		{ { "echo", EAI_AGAIN, ENFILE }, -ENFILE },
		{ { "echo", EAI_FAIL }, ERR_RESOLVER },
		{ { "echo", EAI_SERVICE }, ERR_RESOLVER },
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct addr list[ADDR_MAX_RESOLVED];
		resolver_knows(&words[i].name);
		assert_int_equal(resolve("echo", AF_UNSPEC, list), words[i].code);
	}
}

TEST(an_unknown_interface_is_an_error_of_its_own)
{
	struct addr list[ADDR_MAX_RESOLVED];
	assert_int_equal(resolve("fe80::1%no-such-interface", AF_UNSPEC, list), ERR_NO_INTERFACE);
}

TEST(an_address_that_a_name_has_twice_comes_once)
{
	static const struct resolver_name name = {
		.host = "echo", .addresses = { "127.0.0.1", "127.0.0.2", "127.0.0.1" }
	};
	struct addr list[ADDR_MAX_RESOLVED];
	resolver_knows(&name);
	assert_int_equal(resolve("echo", AF_UNSPEC, list), 2);
	assert_false(addr_equal(&list[0], &list[1]));
}

TEST(einval_of_a_link_local_address_means_that_its_interface_is_missing)
{
	struct addr addr = addr_wildcard(AF_INET6, 7);
	assert_int_equal(inet_pton(AF_INET6, "fe80::1", &addr.v6.sin6_addr), 1);
	assert_int_equal(addr_error(&addr, EINVAL), ERR_NO_ZONE);
	assert_int_equal(addr_error(&addr, EADDRINUSE), -EADDRINUSE);
	addr.v6.sin6_scope_id = 1;
	assert_int_equal(addr_error(&addr, EINVAL), -EINVAL);
	addr = addr_wildcard(AF_INET, 7);
	assert_int_equal(addr_error(&addr, EINVAL), -EINVAL);
}

TEST(addresses_come_in_the_resolvers_order_with_the_port)
{
	static const struct resolver_name name = {
		.host = "echo", .addresses = { "2001:db8::1", "192.0.2.7", "2001:db8::2" }
	};
	struct addr list[ADDR_MAX_RESOLVED];
	resolver_knows(&name);
	assert_int_equal(resolve("echo", AF_UNSPEC, list), 3);
	assert_string_equal(addr_format(&list[0]).text, "[2001:db8::1]:7");
	assert_string_equal(addr_format(&list[1]).text, "192.0.2.7:7");
	assert_string_equal(addr_format(&list[2]).text, "[2001:db8::2]:7");
}

TEST(of_more_addresses_than_there_is_room_for_the_first_are_taken)
{
	static struct resolver_name name = { .host = "echo" };
	static char texts[ADDR_MAX_RESOLVED + 2][16];
	struct addr list[ADDR_MAX_RESOLVED + 1] = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		snprintf(texts[i], sizeof(texts[i]), "192.0.2.%zu", i);
		name.addresses[i] = texts[i];
	}
	resolver_knows(&name);
	assert_int_equal(resolve("echo", AF_UNSPEC, list), ADDR_MAX_RESOLVED);
	assert_string_equal(addr_format(&list[ADDR_MAX_RESOLVED - 1]).text, "192.0.2.15:7");
	assert_int_equal(list[ADDR_MAX_RESOLVED].len, 0);
}

TEST(localhost_is_loopback_even_where_no_resolver_knows_it)
{
	static const struct resolver_name unknown = { "localhost", EAI_AGAIN };
	struct addr list[ADDR_MAX_RESOLVED];
	resolver_knows(&unknown);
	assert_int_equal(resolve("localhost", AF_UNSPEC, list), 2);
	assert_string_equal(addr_format(&list[0]).text, "[::1]:7");
	assert_string_equal(addr_format(&list[1]).text, "127.0.0.1:7");
	assert_int_equal(resolve("localhost", AF_INET, list), 1);
	assert_string_equal(addr_format(&list[0]).text, "127.0.0.1:7");
	assert_int_equal(resolve("localhost", AF_INET6, list), 1);
	assert_string_equal(addr_format(&list[0]).text, "[::1]:7");
}

static int forget_names(void **state)
{
	(void)state;
	resolver_knows(NULL);
	return 0;
}

#define NAME_TEST(name) cmocka_unit_test_teardown(name, forget_names)

static void resolve_the_wildcard(const void *argument)
{
	(void)argument;
	struct addr_spec spec = { .kind = ADDR_WILDCARD };
	struct addr list[ADDR_MAX_RESOLVED];
	ignore_result(addr_resolve(&spec, AF_UNSPEC, list)); /* it does not come back */
}

TEST(the_wildcard_is_nothing_to_look_up)
{
	unit_child_dies_of(SIGABRT, resolve_the_wildcard, NULL);
}

TEST(the_wildcard_is_every_interface_of_its_family)
{
	struct addr v4 = addr_wildcard(AF_INET, 7), v6 = addr_wildcard(AF_INET6, 8);
	assert_string_equal(addr_format(&v4).text, "0.0.0.0:7");
	assert_int_equal(v4.len, sizeof(struct sockaddr_in));
	assert_string_equal(addr_format(&v6).text, "[::]:8");
	assert_int_equal(v6.len, sizeof(struct sockaddr_in6));
}

/* ---- to text ---- */

TEST(what_is_printed_is_what_was_read)
{
	static const char *const texts[] = {
		"192.0.2.7:51334",
		"0.0.0.0:0",
		"255.255.255.255:65535",
		"[2001:db8::1]:9877",
		"[::]:0",
		"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
		"[fe80::1%lo]:9877",
		"unix:/run/echo",
		"unix:@echo",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct addr addr = addr_from(texts[i]);
		assert_string_equal(addr_format(&addr).text, texts[i]);
	}
}

TEST(the_longest_path_is_printed_whole)
{
	const char *text = long_text("unix:/", 106, "");
	struct addr addr = addr_from(text);
	assert_string_equal(addr_format(&addr).text, text);
	text = long_text("unix:@", 106, "");
	addr = addr_from(text);
	assert_string_equal(addr_format(&addr).text, text);
}

TEST(an_interface_that_is_gone_is_printed_by_its_number)
{
	struct addr addr = addr_from("[fe80::1]:7");
	addr.v6.sin6_scope_id = 0x7ffffff0;
	assert_string_equal(addr_format(&addr).text, "[fe80::1%2147483632]:7");
}

TEST(what_has_no_name_is_printed_as_having_none)
{
	struct addr unnamed = { .len = sizeof(sa_family_t), .any = { .sa_family = AF_UNIX } };
	struct addr none = { 0 };
	assert_string_equal(addr_format(&unnamed).text, "unix:");
	assert_string_equal(addr_format(&none).text, "?");
}

/* ---- parts ---- */

TEST(the_port_can_be_changed_where_there_is_one)
{
	struct addr v4 = addr_from("127.0.0.1:1"), v6 = addr_from("[::1]:1");
	struct addr path = addr_from("unix:/run/echo"), before = path;
	addr_set_port(&v4, 51334);
	addr_set_port(&v6, 51334);
	addr_set_port(&path, 51334);
	assert_int_equal(addr_port(&v4), 51334);
	assert_int_equal(addr_port(&v6), 51334);
	assert_int_equal(addr_port(&path), 0);
	assert_memory_equal(&path, &before, sizeof(path));
}

static void assert_local(const char *host, bool expected)
{
	struct addr addr = { .v4 = { .sin_family = AF_INET } };
	if (inet_pton(AF_INET, host, &addr.v4.sin_addr) != 1) {
		addr = (struct addr){ .v6 = { .sin6_family = AF_INET6 } };
		assert_int_equal(inet_pton(AF_INET6, host, &addr.v6.sin6_addr), 1);
	}
	assert_int_equal(addr_is_local(&addr), expected);
}

TEST(loopback_and_unix_addresses_are_local_and_no_others)
{
	const struct addr path = { .local = { .sun_family = AF_UNIX } };
	assert_true(addr_is_local(&path));
	assert_local("127.0.0.1", true);
	assert_local("127.255.255.255", true);
	assert_local("::1", true);
	assert_local("128.0.0.1", false);
	assert_local("126.255.255.255", false);
	assert_local("0.0.0.0", false);
	assert_local("::", false);
	assert_local("fe80::1", false);
}

TEST(ipv4_inside_ipv6_is_ipv4)
{
	static const struct {
		const char *from, *to;
	} pairs[] = {
		{ "[::ffff:192.0.2.7]:51334", "192.0.2.7:51334" },
		{ "[::ffff:0.0.0.0]:0", "0.0.0.0:0" },
		{ "[::1]:7", "[::1]:7" },
		{ "[64:ff9b::c000:207]:7", "[64:ff9b::c000:207]:7" },
		{ "192.0.2.7:7", "192.0.2.7:7" },
		{ "unix:/run/echo", "unix:/run/echo" },
	};
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct addr addr = addr_from(pairs[i].from), plain = addr_from(pairs[i].to);
		addr_unmap(&addr);
		assert_string_equal(addr_format(&addr).text, pairs[i].to);
		assert_int_equal(addr.len, plain.len);
	}
}

TEST(addresses_are_equal_when_all_of_them_is)
{
	static const char *const texts[] = {
		"127.0.0.1:7", "127.0.0.1:8",    "127.0.0.2:7",   "[::1]:7",     "[::1]:8",
		"[::2]:7",     "[fe80::1%lo]:7", "[fe80::1]:7",   "unix:/run/a", "unix:/run/ab",
		"unix:@a",     "unix:@ab",       "unix:/run/abc",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		for (size_t j = 0; j < ARRAY_LEN(texts); j++) {
			struct addr one = addr_from(texts[i]), other = addr_from(texts[j]);
			assert_int_equal(addr_equal(&one, &other), i == j);
		}
	}
}

TEST(what_does_not_belong_to_an_address_does_not_count)
{
	struct addr one = addr_from("127.0.0.1:7"), other = one;
	memset(other.v4.sin_zero, 0xff, sizeof(other.v4.sin_zero));
	assert_true(addr_equal(&one, &other));
	one = addr_from("[::1]:7");
	other = one;
	other.v6.sin6_flowinfo = 0x1234;
	assert_true(addr_equal(&one, &other));
}

/* ---- sources ---- */

static uint64_t source_of(const char *text)
{
	struct addr addr = addr_from(text);
	uint64_t source = 0;
	assert_true(addr_source(&addr, &source));
	return source;
}

TEST(an_ipv4_address_is_a_source_whatever_its_port_and_wherever_it_came_in)
{
	uint64_t source = source_of("192.0.2.7:51334");
	assert_int_equal(source_of("192.0.2.7:1"), source);
	assert_int_equal(source_of("[::ffff:192.0.2.7]:51334"), source);
	assert_int_not_equal(source_of("192.0.2.8:51334"), source);
	assert_int_not_equal(source_of("193.0.2.7:51334"), source);
}

TEST(an_ipv6_source_is_its_64_bits_of_network)
{
	uint64_t source = source_of("[2001:db8:1:2::1]:7");
	assert_int_equal(source_of("[2001:db8:1:2:ffff:ffff:ffff:ffff]:8"), source);
	assert_int_not_equal(source_of("[2001:db8:1:3::1]:7"), source);
	assert_int_not_equal(source_of("[2001:db8:0:2::1]:7"), source);
	assert_int_not_equal(source_of("[2001:db9:1:2::1]:7"), source);
}

TEST(no_ipv4_address_is_the_source_of_an_ipv6_address)
{
	static const char *const v4[] = { "0.0.0.0:1",     "0.0.0.1:1",     "127.0.0.1:1",
					  "32.1.13.184:1", "254.128.0.0:1", "255.255.255.255:1" };
	/* Also addresses whose bits are equal to theirs; not those of 0::/8, which are unused. */
	static const char *const v6[] = { "[::]:1",
					  "[::1]:1",
					  "[::127.0.0.1]:1",
					  "[2001:db8::1]:1",
					  "[2001:db8:2001:db8::]:1",
					  "[64:ff9b::7f00:1]:1",
					  "[fe80::1]:1",
					  "[ffff:ffff:ffff:ffff::]:1" };
	for (size_t i = 0; i < ARRAY_LEN(v4); i++) {
		for (size_t j = 0; j < ARRAY_LEN(v6); j++)
			assert_int_not_equal(source_of(v4[i]), source_of(v6[j]));
	}
}

TEST(a_unix_address_is_no_source)
{
	struct addr addr = addr_from("unix:/run/echo");
	uint64_t source = 4242;
	assert_false(addr_source(&addr, &source));
	assert_int_equal(source, 4242);
}

/* ---- asking a socket ---- */

TEST(a_socket_knows_both_its_addresses)
{
	struct sockaddr_in address;
	int listen_fd = unit_listen(8, &address);
	int client = unit_connect(&address);
	struct addr there, here;
	assert_int_equal(addr_of_peer(client, &there), 0);
	assert_int_equal(addr_port(&there), ntohs(address.sin_port));
	assert_int_equal(addr_of_socket(client, &here), 0);
	assert_false(addr_equal(&here, &there));
	close(client);
	close(listen_fd);
}

TEST(what_is_no_connected_socket_has_no_addresses)
{
	struct addr addr = { .len = 7 };
	struct sockaddr_in address;
	int listen_fd = unit_listen(8, &address);
	assert_int_equal(addr_of_peer(listen_fd, &addr), -ENOTCONN);
	assert_int_equal(addr_of_peer(-1, &addr), -EBADF);
	assert_int_equal(addr_of_socket(-1, &addr), -EBADF);
	assert_int_equal(addr.len, 7);
	close(listen_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_understood_or_refused_with_its_reason),
		cmocka_unit_test(a_host_name_has_255_bytes_at_most),
		cmocka_unit_test(a_unix_path_has_107_bytes_at_most),
		cmocka_unit_test(a_port_is_a_number_of_16_bits),
		cmocka_unit_test(literal_addresses_need_no_name_server),
		cmocka_unit_test(a_path_is_looked_up_as_it_is_with_its_end),
		cmocka_unit_test(an_abstract_name_begins_with_nul_and_ends_with_its_length),
		cmocka_unit_test(the_family_that_was_asked_for_is_the_one_that_comes),
		NAME_TEST(every_word_of_the_resolver_has_its_code),
		cmocka_unit_test(an_unknown_interface_is_an_error_of_its_own),
		NAME_TEST(an_address_that_a_name_has_twice_comes_once),
		cmocka_unit_test(
			einval_of_a_link_local_address_means_that_its_interface_is_missing),
		NAME_TEST(addresses_come_in_the_resolvers_order_with_the_port),
		NAME_TEST(of_more_addresses_than_there_is_room_for_the_first_are_taken),
		NAME_TEST(localhost_is_loopback_even_where_no_resolver_knows_it),
		cmocka_unit_test(the_wildcard_is_nothing_to_look_up),
		cmocka_unit_test(the_wildcard_is_every_interface_of_its_family),
		cmocka_unit_test(what_is_printed_is_what_was_read),
		cmocka_unit_test(the_longest_path_is_printed_whole),
		cmocka_unit_test(an_interface_that_is_gone_is_printed_by_its_number),
		cmocka_unit_test(what_has_no_name_is_printed_as_having_none),
		cmocka_unit_test(the_port_can_be_changed_where_there_is_one),
		cmocka_unit_test(loopback_and_unix_addresses_are_local_and_no_others),
		cmocka_unit_test(ipv4_inside_ipv6_is_ipv4),
		cmocka_unit_test(addresses_are_equal_when_all_of_them_is),
		cmocka_unit_test(what_does_not_belong_to_an_address_does_not_count),
		cmocka_unit_test(
			an_ipv4_address_is_a_source_whatever_its_port_and_wherever_it_came_in),
		cmocka_unit_test(an_ipv6_source_is_its_64_bits_of_network),
		cmocka_unit_test(no_ipv4_address_is_the_source_of_an_ipv6_address),
		cmocka_unit_test(a_unix_address_is_no_source),
		cmocka_unit_test(a_socket_knows_both_its_addresses),
		cmocka_unit_test(what_is_no_connected_socket_has_no_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
