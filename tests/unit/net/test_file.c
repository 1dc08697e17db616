/* SPDX-License-Identifier: MIT */
/*
 * A file that cannot be written to its end is told of, by the code of what was wrong.
 */
#include "net/file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

static char path[64];

static int begin(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/test_file.%d", (int)getpid());
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

TEST(what_is_written_is_there)
{
	FILE *file;
	char text[16] = "";
	assert_int_equal(file_create(path, &file), 0);
	fputs("a line\n", file);
	assert_int_equal(file_flush(file), 0);
	assert_int_equal(file_close(file), 0);
	file = fopen(path, "r");
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	assert_string_equal(text, "a line\n");
}

TEST(one_that_is_there_is_made_empty)
{
	FILE *file;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(file_create(path, &file), 0);
		assert_int_equal(ftell(file), 0);
		fputs("x", file);
		assert_int_equal(file_close(file), 0);
	}
}

TEST(one_that_cannot_be_made_is_told_by_its_code)
{
	FILE *file = NULL;
	assert_int_equal(file_create("/no/such/directory/file", &file), -ENOENT);
	assert_int_equal(file_create("/", &file), -EISDIR);
	assert_null(file);
}

TEST(a_full_disk_is_told_at_the_end_if_not_before)
{
	FILE *file;
	assert_int_equal(file_create("/dev/full", &file), 0);
	fputs("lost", file);
	assert_int_equal(file_close(file), -ENOSPC);
}

TEST(what_failed_earlier_is_not_forgotten)
{
	FILE *file;
	assert_int_equal(file_create("/dev/full", &file), 0);
	setvbuf(file, NULL, _IONBF, 0);
	fputs("lost", file);
	assert_int_equal(file_close(file), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_written_is_there, begin, end),
		cmocka_unit_test_setup_teardown(one_that_is_there_is_made_empty, begin, end),
		cmocka_unit_test(one_that_cannot_be_made_is_told_by_its_code),
		cmocka_unit_test(a_full_disk_is_told_at_the_end_if_not_before),
		cmocka_unit_test(what_failed_earlier_is_not_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
