/* SPDX-License-Identifier: MIT */
/* The stream of a connection: what is sent next, what comes back right, and how it ended. */
#include "client/verified_stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/diagnosis.h"
#include "net/io.h"
#include "unit.h"

#define SEED UINT64_C(7)
#define SIZE ((size_t)300)

static struct verified_stream stream;
static int fds[2];
static unsigned char bytes[2 * SIZE];

static int begin(void **state)
{
	(void)state;
	stream_begin(&stream, SEED, 3);
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds);
}

static int end(void **state)
{
	(void)state;
	io_close(&fds[0]);
	io_close(&fds[1]);
	return 0;
}

/* Sends one message and receives its bytes on the other side. */
static void send_message(void)
{
	unsigned char buffer[SIZE];
	stream_add_due(&stream, SIZE);
	size_t n = stream_fill(&stream, buffer, sizeof(buffer));
	assert_int_equal(n, SIZE);
	assert_int_equal(stream_send(&stream, fds[0], buffer, n), SIZE);
	assert_int_equal(recv(fds[1], bytes, SIZE, 0), SIZE);
}

TEST(a_new_stream_has_nothing_to_send)
{
	assert_int_equal(stream_unsent(&stream), 0);
	assert_int_equal(stream_outstanding(&stream), 0);
	assert_int_equal(stream_fill(&stream, bytes, SIZE), 0);
	assert_int_equal(stream_verify(&stream, "x", 1), 0);
}

TEST(numbers_repeat_after_the_last)
{
	stream_begin(&stream, SEED, PAYLOAD_CONNECTIONS + 5);
	assert_int_equal(stream.number, 5);
}

TEST(bytes_are_filled_in_pieces_from_the_offset_that_is_sent)
{
	unsigned char whole[SIZE], piece[SIZE];
	stream_add_due(&stream, SIZE);
	assert_int_equal(stream_fill(&stream, whole, SIZE), SIZE);
	assert_int_equal(stream_send(&stream, fds[0], whole, 10), 10);
	assert_int_equal(stream_unsent(&stream), SIZE - 10);
	assert_int_equal(stream_fill(&stream, piece, 20), 20);
	assert_memory_equal(piece, whole + 10, 20);
}

TEST(a_full_socket_and_a_closed_one_send_nothing_and_do_not_fail)
{
	static unsigned char buffer[64 * 1024];
	ssize_t n = 1;
	stream_add_due(&stream, UINT64_C(1) << 40);
	for (int i = 0; i < 1000 && n > 0; i++)
		n = stream_send(&stream, fds[0], buffer,
				stream_fill(&stream, buffer, sizeof(buffer)));
	assert_int_equal(n, 0);
	io_close(&fds[1]);
	uint64_t sent = stream.sent;
	assert_int_equal(stream_send(&stream, fds[0], buffer, 1), 0);
	assert_int_equal(stream.sent, sent);
}

TEST(a_bad_descriptor_fails)
{
	stream_add_due(&stream, 1);
	assert_int_equal(stream_send(&stream, -1, bytes, 1), -EBADF);
	assert_int_equal(stream.sent, 0);
}

TEST(what_comes_back_in_any_pieces_is_verified)
{
	send_message();
	assert_int_equal(stream_verify(&stream, bytes, 1), 1);
	assert_int_equal(stream_verify(&stream, bytes + 1, SIZE - 1), SIZE - 1);
	assert_int_equal(stream_outstanding(&stream), 0);
}

TEST(a_wrong_byte_ends_the_comparison_at_its_offset)
{
	send_message();
	bytes[99] ^= 0x20;
	assert_int_equal(stream_verify(&stream, bytes, SIZE), 99);
	assert_int_equal(stream.returned, 99);
	assert_int_equal(stream_count_wrong(&stream, bytes + 99, SIZE - 99), 1);
	struct diagnosis_case wrong = stream_case(&stream, 4, bytes + 99, SIZE - 99);
	assert_int_equal(wrong.offset, 99);
	struct diagnosis found = diagnose(&wrong);
	assert_int_equal(found.kind, DIAGNOSIS_FLIPPED);
	assert_int_equal(found.bit, 5);
}

TEST(bytes_beyond_what_was_sent_are_wrong)
{
	send_message();
	bytes[SIZE] = 'x';
	assert_int_equal(stream_verify(&stream, bytes, SIZE + 1), SIZE);
	assert_int_equal(stream_count_wrong(&stream, bytes + SIZE, 1), 1);
	struct diagnosis_case wrong = stream_case(&stream, 4, bytes + SIZE, 1);
	assert_int_equal(diagnose(&wrong).kind, DIAGNOSIS_SURPLUS);
}

TEST(a_case_names_no_more_connections_than_payloads_distinguish)
{
	assert_int_equal(stream_case(&stream, UINT64_MAX, bytes, 1).n_connections,
			 PAYLOAD_CONNECTIONS);
}

TEST(an_end_is_early_while_bytes_are_in_flight)
{
	send_message();
	assert_int_equal(stream_end_of(&stream, 0), STREAM_END_EARLY_FIN);
	assert_int_equal(stream_end_of(&stream, -ECONNRESET), STREAM_END_EARLY_RESET);
	assert_int_equal(stream_end_of(&stream, -EPIPE), STREAM_END_EARLY_RESET);
	assert_int_equal(stream_verify(&stream, bytes, SIZE), SIZE);
	assert_int_equal(stream_end_of(&stream, 0), STREAM_END_FIN);
	assert_int_equal(stream_end_of(&stream, -ECONNRESET), STREAM_END_RESET);
	assert_int_equal(stream_end_of(&stream, -EAGAIN), STREAM_END_SILENCE);
	assert_int_equal(stream_end_of(&stream, -EHOSTUNREACH), STREAM_END_ERROR);
}

TEST(the_sentence_of_an_end_counts_the_bytes_of_an_incomplete_message)
{
	char text[80];
	send_message();
	stream_describe_end(&stream, "no reply within 1s", SIZE, text, sizeof(text));
	assert_string_equal(text, "no reply within 1s: 0 of 300 bytes came back");
	assert_int_equal(stream_verify(&stream, bytes, SIZE), SIZE);
	stream_describe_end(&stream, "connection reset by peer", SIZE, text, sizeof(text));
	assert_string_equal(text, "connection reset by peer");
}

#define STREAM_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STREAM_TEST(a_new_stream_has_nothing_to_send),
		STREAM_TEST(numbers_repeat_after_the_last),
		STREAM_TEST(bytes_are_filled_in_pieces_from_the_offset_that_is_sent),
		STREAM_TEST(a_full_socket_and_a_closed_one_send_nothing_and_do_not_fail),
		STREAM_TEST(a_bad_descriptor_fails),
		STREAM_TEST(what_comes_back_in_any_pieces_is_verified),
		STREAM_TEST(a_wrong_byte_ends_the_comparison_at_its_offset),
		STREAM_TEST(bytes_beyond_what_was_sent_are_wrong),
		STREAM_TEST(a_case_names_no_more_connections_than_payloads_distinguish),
		STREAM_TEST(an_end_is_early_while_bytes_are_in_flight),
		STREAM_TEST(the_sentence_of_an_end_counts_the_bytes_of_an_incomplete_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
