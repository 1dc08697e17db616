/* SPDX-License-Identifier: MIT */
/* The listening sockets of a server: all of an address are open, or none is. */
#include "server/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "net/sysinfo.h"
#include "resolver.h"
#include "unit.h"

static struct listeners listeners;
static size_t n_open_before;

static int begin(void **state)
{
	(void)state;
	listeners = (struct listeners){ .n = 0 };
	n_open_before = unit_open_descriptors();
	return 0;
}

static int end(void **state)
{
	(void)state;
	resolver_knows(NULL);
	listeners_close(&listeners);
	return unit_open_descriptors() == n_open_before ? 0 : -1;
}

/* Adds the sockets of several ADDRESSes, until one fails. */
static int add_all(const char *const *texts, size_t n)
{
	struct addr_spec specs[LISTENERS_MAX + 1];
	struct listen_addresses addresses = { .n = 0 };
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++) {
		assert_int_equal(addr_parse(texts[i], &specs[i]), 0);
		rc = listeners_look_up(&addresses, &specs[i]);
	}
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = listeners_add(&listeners, &addresses, i);
	return rc;
}

static int add(const char *text)
{
	return add_all(&text, 1);
}

static uint16_t port_of(size_t i)
{
	return addr_port(&listeners.list[i].addr);
}

TEST(the_wildcard_is_one_socket_that_takes_ipv4)
{
	assert_int_equal(add("0"), 0);
	assert_int_equal(listeners.n, 1);
	assert_true(port_of(0) != 0); /* the port that the kernel chose is read back */
	struct sockaddr_in address = unit_loopback(port_of(0));
	close(unit_connect(&address));
}

TEST(a_name_is_all_of_its_addresses_on_one_port)
{
	assert_int_equal(add("localhost:0"), 0);
	assert_true(listeners.n >= 1);
	for (size_t i = 0; i < listeners.n; i++) {
		assert_true(port_of(i) != 0);
		assert_int_equal(port_of(i), port_of(0));
	}
}

static const struct resolver_name two = { .host = "two",
					  .addresses = { "127.0.0.1", "127.0.0.2" } };

TEST(the_port_that_the_kernel_chose_for_the_first_is_that_of_all)
{
	resolver_knows(&two);
	assert_int_equal(add("two:0"), 0);
	assert_int_equal(listeners.n, 2);
	assert_true(port_of(0) != 0);
	assert_int_equal(port_of(1), port_of(0));
	assert_false(addr_equal(&listeners.list[0].addr, &listeners.list[1].addr));
}

TEST(of_a_name_those_addresses_count_that_this_machine_has)
{
	static const struct resolver_name name = {
		.host = "name", .addresses = { "198.51.100.1", "127.0.0.1", "198.51.100.2" }
	};
	resolver_knows(&name);
	assert_int_equal(add("name:0"), 0);
	assert_int_equal(listeners.n, 1);
	assert_memory_equal(addr_format(&listeners.list[0].addr).text, "127.0.0.1:", 10);
}

TEST(a_name_of_which_one_address_fails_adds_none)
{
	char text[32];
	assert_int_equal(add("127.0.0.2:0"), 0);
	snprintf(text, sizeof(text), "two:%u", port_of(0));
	resolver_knows(&two);
	assert_int_equal(add(text), ERR_GIVEN_TWICE);
	assert_int_equal(listeners.n, 1);
	assert_int_equal(unit_open_descriptors(), n_open_before + 1);
}

TEST(several_addresses_stand_side_by_side)
{
	assert_int_equal(add("127.0.0.1:0"), 0);
	assert_int_equal(add("127.0.0.2:0"), 0);
	assert_int_equal(listeners.n, 2);
	assert_true(listeners_any_open(&listeners));
}

/* A listening socket of another server on 127.0.0.2, and a text "HOST:PORT" with its port. */
static int occupy(const char *host, struct addr_text *ret_text)
{
	struct addr addr = { .len = sizeof(addr.v4), .v4 = unit_loopback(0) };
	addr.v4.sin_addr.s_addr = inet_addr("127.0.0.2");
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, &addr.any, addr.len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(addr_of_socket(fd, &addr), 0);
	snprintf(ret_text->text, sizeof(ret_text->text), "%s:%u", host, addr_port(&addr));
	return fd;
}

TEST(a_port_in_use_adds_nothing)
{
	struct addr_text text;
	int fd = occupy("127.0.0.2", &text);
	assert_int_equal(add(text.text), -EADDRINUSE);
	assert_int_equal(listeners.n, 0);
	assert_int_equal(unit_open_descriptors(), n_open_before + 1);
	close(fd);
}

TEST(a_name_of_which_one_address_is_in_use_adds_none)
{
	struct addr_text text;
	int fd = occupy("two", &text);
	resolver_knows(&two);
	assert_int_equal(add(text.text), -EADDRINUSE);
	assert_int_equal(listeners.n, 0);
	assert_int_equal(unit_open_descriptors(), n_open_before + 1);
	close(fd);
}

/* ---- the same address twice ---- */

/* Adds two addresses with the same port, which was free a moment ago. */
static int add_pair_once(const char *first, const char *second)
{
	char texts[2][ADDR_TEXT_SIZE];
	struct sockaddr_in any = unit_loopback(0);
	struct addr addr = { .len = sizeof(addr.local) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const void *)&any, sizeof(any)), 0);
	assert_int_equal(addr_of_socket(fd, &addr), 0);
	close(fd);
	const char *const both[] = { texts[0], texts[1] };
	snprintf(texts[0], sizeof(texts[0]), "%s%u", first, addr_port(&addr));
	snprintf(texts[1], sizeof(texts[1]), "%s%u", second, addr_port(&addr));
	int rc = add_all(both, 2);
	listeners_close(&listeners);
	return rc;
}

#define PORT_TRIES 100

/* Tries again, because another process may have the port by now, or have it on another address. */
static int add_pair_on_free_port(const char *first, const char *second)
{
	int rc = -EADDRINUSE;
	for (int i = 0; i < PORT_TRIES && rc == -EADDRINUSE; i++)
		rc = add_pair_once(first, second);
	return rc;
}

/* Returns whether the addresses are possible: without IPv6, bracketed addresses are not. */
static bool are_possible(const char *first, const char *second)
{
	return sysinfo_has_ipv6() || (strchr(first, '[') == NULL && strchr(second, '[') == NULL);
}

TEST(an_address_given_twice_is_an_error_in_every_form)
{
	static const char *const pairs[][2] = {
		{ "127.0.0.1:", "127.0.0.1:" },
		{ "127.0.0.1:", "127.1:" },
		{ "127.0.0.1:", "[::ffff:127.0.0.1]:" },
		{ "0.0.0.0:", "127.0.0.1:" },
		{ "127.0.0.1:", "0.0.0.0:" },
		{ "[::1]:", "[0:0::1]:" },
		{ "[::]:", "[::1]:" },
		{ "[::1]:", "[::]:" },
		{ "[::]:", "127.0.0.1:" },
		{ "127.0.0.1:", "[::]:" },
		{ "", "127.0.0.1:" },
		{ "127.0.0.1:", "" },
		{ "", "0.0.0.0:" },
		{ "", ":" },
		{ "", "[::]:" },
		{ "localhost:", "127.0.0.1:" },
	};
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		if (!are_possible(pairs[i][0], pairs[i][1]))
			continue;
		int rc = add_pair_on_free_port(pairs[i][0], pairs[i][1]);
		if (rc != ERR_GIVEN_TWICE)
			fail_msg("%s and %s: %s", pairs[i][0], pairs[i][1], err_text(rc).text);
	}
}

TEST(the_wildcards_of_both_families_stand_side_by_side)
{
	static const char *const pairs[][2] = {
		{ "0.0.0.0:", "[::]:" },
		{ "[::]:", "0.0.0.0:" },
		{ "127.0.0.1:", "[::1]:" },
		{ "127.0.0.1:", "127.0.0.2:" },
	};
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		if (are_possible(pairs[i][0], pairs[i][1]))
			assert_int_equal(add_pair_on_free_port(pairs[i][0], pairs[i][1]), 0);
	}
}

TEST(a_path_given_twice_is_an_error_in_every_form)
{
	struct unit_directory directory = unit_directory_make();
	char one[128], other[128];
	snprintf(one, sizeof(one), "unix:%s/echo", directory.path);
	snprintf(other, sizeof(other), "unix:%s/./echo", directory.path);
	assert_int_equal(add(one), 0);
	assert_int_equal(add(one), ERR_GIVEN_TWICE);
	assert_int_equal(add(other), ERR_GIVEN_TWICE);
	assert_int_equal(add("unix:@tcpecho-unit-twice"), 0);
	assert_int_equal(add("unix:@tcpecho-unit-twice"), ERR_GIVEN_TWICE);
	assert_int_equal(listeners.n, 2);
	listeners_close(&listeners);
	unit_directory_remove(&directory);
}

TEST(an_address_of_another_machine_adds_nothing)
{
	assert_int_equal(add("198.51.100.1:0"), -EADDRNOTAVAIL);
	assert_int_equal(listeners.n, 0);
	assert_false(listeners_any_open(&listeners));
}

TEST(there_is_a_last_one)
{
	for (size_t i = 0; i < LISTENERS_MAX; i++)
		assert_int_equal(add("127.0.0.1:0"), 0);
	assert_int_equal(add("127.0.0.1:0"), ERR_TOO_MANY_ADDRESSES);
	assert_int_equal(listeners.n, LISTENERS_MAX);
	assert_int_equal(unit_open_descriptors(), n_open_before + LISTENERS_MAX);
}

TEST(a_closed_one_is_passed_over)
{
	assert_int_equal(add("127.0.0.1:0"), 0);
	assert_int_equal(add("127.0.0.1:0"), 0);
	listener_close(&listeners.list[0]);
	assert_int_equal(listeners.list[0].fd, -1);
	listener_close(&listeners.list[0]);
	assert_true(listeners_any_open(&listeners));
	listener_close(&listeners.list[1]);
	assert_false(listeners_any_open(&listeners));
}

TEST(a_path_goes_with_its_socket)
{
	struct unit_directory directory = unit_directory_make();
	struct stat status;
	char text[128];
	snprintf(text, sizeof(text), "unix:%s/echo", directory.path);
	assert_int_equal(add(text), 0);
	assert_string_equal(addr_format(&listeners.list[0].addr).text, text);
	assert_int_equal(stat(text + strlen("unix:"), &status), 0);
	listeners_close(&listeners);
	assert_false(listeners_any_open(&listeners));
	assert_int_equal(stat(text + strlen("unix:"), &status), -1);
	unit_directory_remove(&directory);
}

TEST(one_that_was_passed_is_adopted_and_its_path_stays)
{
	struct unit_directory directory = unit_directory_make();
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/echo", directory.path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const void *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);

	assert_int_equal(listeners_adopt(&listeners, fd), 0);
	assert_int_equal(listeners.n, 1);
	assert_string_equal(listeners.list[0].addr.local.sun_path, address.sun_path);
	listener_close(&listeners.list[0]);
	assert_false(unit_is_open(fd));
	assert_int_equal(access(address.sun_path, F_OK), 0);
	unit_directory_remove(&directory);
}

TEST(what_cannot_be_adopted_is_closed)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(listeners_adopt(&listeners, fd), ERR_NO_LISTENER);
	assert_int_equal(listeners.n, 0);
	assert_false(unit_is_open(fd));
}

#define LISTENERS_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LISTENERS_TEST(the_wildcard_is_one_socket_that_takes_ipv4),
		LISTENERS_TEST(a_name_is_all_of_its_addresses_on_one_port),
		LISTENERS_TEST(the_port_that_the_kernel_chose_for_the_first_is_that_of_all),
		LISTENERS_TEST(of_a_name_those_addresses_count_that_this_machine_has),
		LISTENERS_TEST(a_name_of_which_one_address_fails_adds_none),
		LISTENERS_TEST(several_addresses_stand_side_by_side),
		LISTENERS_TEST(a_port_in_use_adds_nothing),
		LISTENERS_TEST(a_name_of_which_one_address_is_in_use_adds_none),
		LISTENERS_TEST(an_address_given_twice_is_an_error_in_every_form),
		LISTENERS_TEST(the_wildcards_of_both_families_stand_side_by_side),
		LISTENERS_TEST(a_path_given_twice_is_an_error_in_every_form),
		LISTENERS_TEST(an_address_of_another_machine_adds_nothing),
		LISTENERS_TEST(there_is_a_last_one),
		LISTENERS_TEST(a_closed_one_is_passed_over),
		LISTENERS_TEST(a_path_goes_with_its_socket),
		LISTENERS_TEST(one_that_was_passed_is_adopted_and_its_path_stays),
		LISTENERS_TEST(what_cannot_be_adopted_is_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
