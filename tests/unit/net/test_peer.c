/* SPDX-License-Identifier: MIT */
/*
 * A peer is an address in fewer bytes: it has the same name and the same source.
 */
#include "net/peer.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static struct addr ipv4(const char *text, uint16_t port)
{
	struct addr addr = addr_wildcard(AF_INET, port);
	assert_int_equal(inet_pton(AF_INET, text, &addr.v4.sin_addr), 1);
	return addr;
}

static struct addr ipv6(const char *text, uint16_t port, uint32_t zone)
{
	struct addr addr = addr_wildcard(AF_INET6, port);
	assert_int_equal(inet_pton(AF_INET6, text, &addr.v6.sin6_addr), 1);
	addr.v6.sin6_scope_id = zone;
	return addr;
}

static void assert_is_the_same(const struct addr *addr)
{
	struct peer peer = peer_of(-1, addr);
	assert_string_equal(peer_name(&peer).text, addr_format(addr).text);
	uint64_t of_addr = 1, of_peer = 2;
	assert_true(addr_source(addr, &of_addr));
	assert_true(peer_source(&peer, &of_peer));
	assert_int_equal(of_peer, of_addr);
}

TEST(an_address_and_its_peer_have_one_name_and_one_source)
{
	static const char *const v4[] = { "0.0.0.0", "127.0.0.1", "192.0.2.7", "255.255.255.255" };
	static const char *const v6[] = {
		"::",
		"::1",
		"2001:db8::1",
		"2001:db8:0:1::",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	};
	static const uint16_t ports[] = { 0, 1, 9877, 51334, 65535 };
	for (size_t port = 0; port < ARRAY_LEN(ports); port++) {
		for (size_t i = 0; i < ARRAY_LEN(v4); i++) {
			struct addr addr = ipv4(v4[i], ports[port]);
			assert_is_the_same(&addr);
		}
		for (size_t i = 0; i < ARRAY_LEN(v6); i++) {
			struct addr addr = ipv6(v6[i], ports[port], 0);
			assert_is_the_same(&addr);
		}
	}
}

TEST(a_link_local_client_keeps_its_zone)
{
	uint32_t zone = if_nametoindex("lo");
	struct addr known = ipv6("fe80::1", 9877, zone), unknown = ipv6("fe80::1", 9877, 4711);
	assert_true(zone != 0);
	assert_is_the_same(&known);
	assert_is_the_same(&unknown);
	struct peer peer = peer_of(-1, &known);
	assert_string_equal(peer_name(&peer).text, "[fe80::1%lo]:9877");
}

TEST(a_client_of_a_unix_socket_is_called_by_its_process)
{
	struct addr unnamed = { .len = sizeof(sa_family_t), .any = { .sa_family = AF_UNIX } };
	int one, other;
	char expected[32];
	uint64_t source = 4242;
	unit_socket_pair(&one, &other);
	struct peer peer = peer_of(one, &unnamed);
	snprintf(expected, sizeof(expected), "unix:%d", (int)getpid());
	assert_string_equal(peer_name(&peer).text, expected);
	assert_int_equal(peer.family, AF_UNIX);
	assert_false(peer_source(&peer, &source));
	assert_int_equal(source, 4242);
	close(one);
	close(other);
}

TEST(a_client_whose_process_cannot_be_known_is_a_question_mark)
{
	struct addr unnamed = { .len = sizeof(sa_family_t), .any = { .sa_family = AF_UNIX } };
	struct peer peer = peer_of(-1, &unnamed);
	assert_string_equal(peer_name(&peer).text, "unix:?");
	struct peer largest = { .family = AF_UNIX, .number = UINT32_MAX };
	assert_string_equal(peer_name(&largest).text, "unix:4294967295");
}

TEST(a_zeroed_peer_is_unknown_and_has_no_source)
{
	struct peer unknown = { 0 };
	uint64_t source;
	assert_false(peer_source(&unknown, &source));
	assert_true(strlen(peer_name(&unknown).text) > 0);
}

/* Every connection has one, and it contains no pointers. */
TEST(a_peer_is_small_and_whole_in_any_process)
{
	assert_true(sizeof(struct peer) <= 24);
	int ends[2];
	struct addr addr = ipv4("192.0.2.7", 51334);
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct peer peer = peer_of(-1, &addr);
		_exit(write(ends[1], &peer, sizeof(peer)) == sizeof(peer) ? 0 : 1);
	}
	struct peer peer;
	unit_read(ends[0], &peer, sizeof(peer));
	assert_string_equal(peer_name(&peer).text, "192.0.2.7:51334");
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_and_its_peer_have_one_name_and_one_source),
		cmocka_unit_test(a_link_local_client_keeps_its_zone),
		cmocka_unit_test(a_client_of_a_unix_socket_is_called_by_its_process),
		cmocka_unit_test(a_client_whose_process_cannot_be_known_is_a_question_mark),
		cmocka_unit_test(a_zeroed_peer_is_unknown_and_has_no_source),
		cmocka_unit_test(a_peer_is_small_and_whole_in_any_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
