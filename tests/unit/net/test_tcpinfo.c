/* SPDX-License-Identifier: MIT */
/* The kernel knows the round trip of a TCP connection; a unix socket has none. */
#include "net/tcpinfo.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

TEST(a_connection_over_which_something_went_has_a_round_trip)
{
	int server, client;
	struct tcpinfo info;
	char byte;
	unit_socket_pair(&server, &client);
	unit_write(client, "x", 1);
	unit_read(server, &byte, 1);
	bool is_tcp = !unit_is_unix(client);
	assert_int_equal(tcpinfo_of(client, &info), is_tcp);
	if (is_tcp) {
		assert_true(info.rtt_ns > 0 && info.rtt_ns < UINT64_C(10000000000));
		assert_true(info.rtt_min_ns > 0 &&
			    info.rtt_min_ns <= info.rtt_ns + info.rtt_var_ns);
		assert_int_equal(info.n_retransmits, 0);
	}
	close(server);
	close(client);
}

TEST(how_a_connection_sends_is_what_the_kernel_says)
{
	int server, client;
	struct tcpinfo_sending sending;
	unit_socket_pair(&server, &client);
	bool is_tcp = !unit_is_unix(client);
	assert_int_equal(tcpinfo_sending_of(client, &sending), is_tcp);
	if (is_tcp) {
		char name[16] = "";
		int mss;
		socklen_t name_size = sizeof(name), mss_size = sizeof(mss);
		assert_int_equal(getsockopt(client, IPPROTO_TCP, TCP_CONGESTION, name, &name_size),
				 0);
		assert_int_equal(getsockopt(client, IPPROTO_TCP, TCP_MAXSEG, &mss, &mss_size), 0);
		assert_string_equal(sending.congestion_control, name);
		assert_int_equal(sending.mss, mss);
	}
	close(server);
	close(client);
}

TEST(of_a_unix_socket_there_is_none)
{
	int pair[2];
	struct tcpinfo info = { .rtt_ns = 7 };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_false(tcpinfo_of(pair[0], &info));
	assert_int_equal(info.rtt_ns, 7);
	struct tcpinfo_sending sending = { .mss = 7 };
	assert_false(tcpinfo_sending_of(pair[0], &sending));
	assert_int_equal(sending.mss, 7);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_over_which_something_went_has_a_round_trip),
		cmocka_unit_test(how_a_connection_sends_is_what_the_kernel_says),
		cmocka_unit_test(of_a_unix_socket_there_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
