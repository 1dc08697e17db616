/* SPDX-License-Identifier: MIT */
/*
 * Passing descriptors: each message comes once, whole and with its descriptor, or stays in the
 * channel.
 */
#include "net/pass_fd.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/shm.h"
#include "unit.h"

struct message {
	uint64_t number;
	char text[24];
};

static int sender, receiver;

static int open_channel(void **state)
{
	(void)state;
	return pass_fd_open(&sender, &receiver);
}

static int close_channel(void **state)
{
	(void)state;
	close(sender);
	close(receiver);
	return 0;
}

/* Sends the read end of a pipe that contains the number. */
static int send_number(uint64_t number)
{
	int ends[2];
	struct message message = { .number = number, .text = "a message" };
	assert_int_equal(pipe(ends), 0);
	unit_write(ends[1], &number, sizeof(number));
	close(ends[1]);
	int rc = pass_fd_send(sender, &message, sizeof(message), ends[0]);
	assert_true(unit_is_open(ends[0])); /* the caller still has it */
	close(ends[0]);
	return rc;
}

static void assert_number_comes(uint64_t number)
{
	struct message message;
	uint64_t read_number;
	int fd = -1;
	assert_int_equal(pass_fd_receive(receiver, &message, sizeof(message), &fd), 0);
	assert_int_equal(message.number, number);
	assert_string_equal(message.text, "a message");
	assert_true(unit_is_cloexec(fd));
	unit_read(fd, &read_number, sizeof(read_number));
	assert_int_equal(read_number, number);
	close(fd);
}

static int receive_nothing(void)
{
	struct message message;
	int fd = -1;
	int rc = pass_fd_receive(receiver, &message, sizeof(message), &fd);
	assert_int_equal(fd, -1);
	return rc;
}

TEST(both_ends_are_close_on_exec_and_non_blocking)
{
	assert_true(unit_is_cloexec(sender) && unit_is_cloexec(receiver));
	assert_true(unit_is_nonblocking(sender) && unit_is_nonblocking(receiver));
}

TEST(messages_come_in_their_order_each_with_its_descriptor)
{
	size_t before = unit_open_descriptors();
	for (uint64_t number = 1; number <= 50; number++)
		assert_int_equal(send_number(number), 0);
	for (uint64_t number = 1; number <= 50; number++)
		assert_number_comes(number);
	assert_int_equal(receive_nothing(), -EAGAIN);
	assert_int_equal(unit_open_descriptors(), before);
}

TEST(a_full_channel_says_so_and_goes_on_when_there_is_room)
{
	uint64_t n = 0;
	while (send_number(n) == 0)
		assert_true(++n < 100000);
	assert_true(n >= 100);
	assert_int_equal(send_number(n), -EAGAIN);
	for (uint64_t number = 0; number < n; number++)
		assert_number_comes(number);
	assert_int_equal(send_number(n), 0);
	assert_number_comes(n);
}

TEST(without_a_sender_there_is_no_message)
{
	assert_int_equal(send_number(7), 0);
	close(sender);
	sender = -1;
	assert_number_comes(7);
	assert_int_equal(receive_nothing(), -EAGAIN);
}

static void receive_without_descriptors(const void *argument)
{
	(void)argument;
	struct rlimit limit = { 0 }, none = { 0 };
	struct message message;
	int fd = -1;
	UNIT_CHILD_MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	none.rlim_max = limit.rlim_max;
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NOFILE, &none) == 0);
	UNIT_CHILD_MUST(pass_fd_receive(receiver, &message, sizeof(message), &fd) == -EMFILE);
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

TEST(without_a_free_descriptor_the_message_stays_for_another)
{
	assert_int_equal(send_number(7), 0);
	unit_in_child(receive_without_descriptors, NULL);
	assert_number_comes(7);
}

/* ---- a receiver that is killed ---- */

static struct message *shared;

static void receive_into_shared_memory(const void *argument)
{
	(void)argument;
	int fd;
	shared->number = 0;
	UNIT_CHILD_MUST(pass_fd_receive(receiver, shared, sizeof(*shared), &fd) == 0);
}

/*
 * Before each instruction of the receiver, either the receiver has the message, or it is in the
 * channel.
 */
static void look_where_it_is(void)
{
	struct pollfd channel = { .fd = receiver, .events = POLLIN };
	bool is_in_channel = poll(&channel, 1, 0) == 1;
	assert_int_equal(is_in_channel, shared->number != 7);
}

TEST(at_any_instruction_the_message_is_in_shared_memory_or_in_the_channel)
{
	void *memory;
	assert_int_equal(shm_map_shared(sizeof(*shared), &memory), 0);
	shared = memory;
	assert_int_equal(send_number(7), 0);
	unit_stop_everywhere(receive_into_shared_memory, NULL, look_where_it_is);
	assert_int_equal(shared->number, 7);
	shm_unmap(shared, sizeof(*shared));
}

#define PASS_TEST(name) cmocka_unit_test_setup_teardown(name, open_channel, close_channel)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PASS_TEST(both_ends_are_close_on_exec_and_non_blocking),
		PASS_TEST(messages_come_in_their_order_each_with_its_descriptor),
		PASS_TEST(a_full_channel_says_so_and_goes_on_when_there_is_room),
		PASS_TEST(without_a_sender_there_is_no_message),
		PASS_TEST(without_a_free_descriptor_the_message_stays_for_another),
		PASS_TEST(at_any_instruction_the_message_is_in_shared_memory_or_in_the_channel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
