/* SPDX-License-Identifier: MIT */
/*
 * Memory that is shared with children, and memory that is not.
 */
#include "net/shm.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/fork.h"
#include "unit.h"

static struct fork_stack stack;

static int write_answer(void *memory)
{
	unsigned char *bytes = memory;
	bytes[0] = 42;
	_exit(0);
}

TEST(shared_memory_is_zero_and_what_a_child_writes_its_parent_reads)
{
	enum { SIZE = 100000 };
	void *memory = NULL;
	assert_int_equal(shm_map_shared(SIZE, &memory), 0);
	assert_int_equal((uintptr_t)memory % 4096, 0);
	unsigned char *bytes = memory;
	for (size_t i = 0; i < SIZE; i++)
		assert_int_equal(bytes[i], 0);

	pid_t pid = fork_child(&stack, write_answer, &bytes[SIZE - 1]);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(bytes[SIZE - 1], 42);
	shm_unmap(memory, SIZE);
}

TEST(memory_that_there_is_not_is_not_shared)
{
	void *memory = NULL;
	assert_int_equal(shm_map_shared(SIZE_MAX - 4096, &memory), -ENOMEM);
	assert_null(memory);
}

TEST(reserved_memory_is_zero_ones_own_and_zero_again_when_given_back)
{
	enum { SIZE = 64 * 1024 };
	void *memory;
	assert_int_equal(shm_map_private(SIZE, &memory), 0);
	unsigned char *bytes = memory;
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < SIZE; i++)
			assert_int_equal(bytes[i], 0);
		memset(bytes, 7, SIZE);
		pid_t pid = fork_child(&stack, write_answer, &bytes[SIZE - 1]);
		assert_true(pid > 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(bytes[SIZE - 1], 7);
		shm_discard(bytes, SIZE);
	}
	shm_unmap(memory, SIZE);
	memory = NULL;
	assert_int_equal(shm_map_private(SIZE_MAX - 4096, &memory), -ENOMEM);
	assert_null(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shared_memory_is_zero_and_what_a_child_writes_its_parent_reads),
		cmocka_unit_test(memory_that_there_is_not_is_not_shared),
		cmocka_unit_test(reserved_memory_is_zero_ones_own_and_zero_again_when_given_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
