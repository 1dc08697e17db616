/* SPDX-License-Identifier: MIT */
/*
 * The listening sockets of a server: all of an address, or none.
 */
#include "server/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
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

static int add(const char *text)
{
	struct addr_spec spec;
	assert_int_equal(addr_parse(text, &spec), 0);
	return listeners_add(&listeners, &spec);
}

static uint16_t port_of(size_t i)
{
	return addr_port(&listeners.list[i].addr);
}

TEST(the_wildcard_is_one_socket_that_takes_ipv4)
{
	assert_int_equal(add("0"), 0);
	assert_int_equal(listeners.n, 1);
	assert_true(port_of(0) != 0); /* the kernel's choice was asked back */
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
	assert_int_equal(add(text), -EADDRINUSE);
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

TEST(a_port_in_use_adds_nothing)
{
	char text[32];
	assert_int_equal(add("127.0.0.1:0"), 0);
	snprintf(text, sizeof(text), "127.0.0.1:%u", port_of(0));
	assert_int_equal(add(text), -EADDRINUSE);
	assert_int_equal(listeners.n, 1);
	assert_int_equal(unit_open_descriptors(), n_open_before + 1);
}

TEST(an_address_of_another_machine_adds_nothing)
{
	assert_int_equal(add("198.51.100.1:0"), -EADDRNOTAVAIL);
	assert_int_equal(listeners.n, 0);
	assert_false(listeners_any_open(&listeners));
}

TEST(there_is_a_last_one)
{
	for (size_t i = 0; i < LISTENERS_MOST; i++)
		assert_int_equal(add("127.0.0.1:0"), 0);
	assert_int_equal(add("127.0.0.1:0"), -EMFILE);
	assert_int_equal(listeners.n, LISTENERS_MOST);
	assert_int_equal(unit_open_descriptors(), n_open_before + LISTENERS_MOST);
}

TEST(a_closed_one_is_passed_over)
{
	assert_int_equal(add("127.0.0.1:0"), 0);
	assert_int_equal(add("127.0.0.1:0"), 0);
	listener_close(&listeners.list[0]);
	assert_int_equal(listeners.list[0].fd, -1);
	listener_close(&listeners.list[0]);
	assert_true(listeners_any_open(&listeners));
	listeners_shut_queues(&listeners);
	listener_close(&listeners.list[1]);
	assert_false(listeners_any_open(&listeners));
	listeners_shut_queues(&listeners);
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
	assert_int_equal(listeners.n, 0);
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
		LISTENERS_TEST(an_address_of_another_machine_adds_nothing),
		LISTENERS_TEST(there_is_a_last_one),
		LISTENERS_TEST(a_closed_one_is_passed_over),
		LISTENERS_TEST(a_path_goes_with_its_socket),
		LISTENERS_TEST(one_that_was_passed_is_adopted_and_its_path_stays),
		LISTENERS_TEST(what_cannot_be_adopted_is_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
