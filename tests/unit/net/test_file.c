/* SPDX-License-Identifier: MIT */
/*
 * A file that cannot be written to its end is told of, by the code of what was wrong.
 */
#include "net/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

static struct unit_directory directory;
static char path[sizeof(directory) + 16];

static int begin(void **state)
{
	(void)state;
	directory = unit_directory_make();
	snprintf(path, sizeof(path), "%s/file", directory.path);
	return 0;
}

static int end(void **state)
{
	(void)state;
	unit_directory_remove(&directory);
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

/* ---- all or nothing ---- */

static char *read_all(void)
{
	struct file_bytes bytes;
	assert_int_equal(file_read(path, 1000, &bytes), 0);
	assert_int_equal(strlen(bytes.at), bytes.n);
	return bytes.at;
}

static void assert_content(const char *expected)
{
	char *text = read_all();
	assert_string_equal(text, expected);
	free(text);
}

TEST(a_draft_takes_the_name_when_it_is_kept)
{
	struct file_draft draft;
	FILE *file;
	assert_int_equal(file_create(path, &file), 0);
	fputs("old", file);
	assert_int_equal(file_close(file), 0);
	assert_int_equal(file_draft(path, &draft), 0);
	fputs("new", draft.file);
	assert_int_equal(file_flush(draft.file), 0);
	assert_content("old");
	assert_int_equal(file_keep(&draft), 0);
	assert_content("new");
}

TEST(a_draft_that_is_dropped_leaves_nothing)
{
	struct file_draft draft;
	assert_int_equal(file_draft(path, &draft), 0);
	char *name = strdup(draft.draft);
	assert_int_equal(access(name, F_OK), 0);
	file_drop(&draft);
	assert_int_not_equal(access(name, F_OK), 0);
	assert_int_not_equal(access(path, F_OK), 0);
	free(name);
}

TEST(a_draft_that_cannot_be_kept_leaves_nothing)
{
	struct file_draft draft;
	assert_int_equal(file_draft(path, &draft), 0);
	char *name = strdup(draft.draft);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(file_keep(&draft), -EISDIR);
	assert_int_not_equal(access(name, F_OK), 0);
	assert_int_equal(rmdir(path), 0);
	free(name);
}

static mode_t mode_of(const char *of)
{
	struct stat info;
	assert_int_equal(stat(of, &info), 0);
	return info.st_mode & 07777;
}

static void keep_one(void)
{
	struct file_draft draft;
	assert_int_equal(file_draft(path, &draft), 0);
	assert_int_equal(file_keep(&draft), 0);
}

TEST(what_takes_its_place_has_its_permissions)
{
	mode_t mask = umask(027);
	keep_one();
	assert_int_equal(mode_of(path), 0640);
	assert_int_equal(umask(mask), 027); /* as it was */
	static const mode_t modes[] = { 0600, 0444, 0666, 0755 };
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		keep_one();
		assert_int_equal(mode_of(path), modes[i]);
	}
}

TEST(a_draft_that_was_left_is_not_in_the_way)
{
	struct file_draft left, draft;
	assert_int_equal(file_draft(path, &left), 0);
	assert_int_equal(file_draft(path, &draft), 0); /* of the same process id */
	assert_string_not_equal(left.draft, draft.draft);
	fputs("whole", draft.file);
	assert_int_equal(file_keep(&draft), 0);
	file_drop(&left);
	assert_content("whole");
}

TEST(standard_output_is_written_to_and_stays_open)
{
	struct file_draft draft;
	assert_int_equal(file_draft("-", &draft), 0);
	assert_ptr_equal(draft.file, stdout);
	assert_int_equal(file_keep(&draft), 0);
	assert_int_equal(file_draft("-", &draft), 0);
	file_drop(&draft);
	assert_int_equal(file_flush(stdout), 0);
	assert_int_not_equal(access("-", F_OK), 0);
}

TEST(what_is_no_plain_file_is_not_replaced)
{
	struct file_draft draft;
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(file_draft(path, &draft), 0);
	assert_null(draft.draft);
	fputs("x", draft.file);
	assert_int_equal(file_keep(&draft), 0);
	struct stat info;
	assert_int_equal(lstat(path, &info), 0);
	assert_true(S_ISLNK(info.st_mode));
	assert_int_equal(file_draft("/dev/full", &draft), 0);
	fputs("x", draft.file);
	assert_int_equal(file_keep(&draft), -ENOSPC);
	assert_int_equal(file_draft("/no/such/directory/file", &draft), -ENOENT);
}

/* ---- reading ---- */

TEST(a_file_is_read_up_to_its_bound)
{
	static const size_t sizes[] = { 0, 1, 999, 65535, 65536, 65537, 200000 };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		FILE *file;
		struct file_bytes bytes;
		assert_int_equal(file_create(path, &file), 0);
		for (size_t j = 0; j < sizes[i]; j++)
			fputc('a' + (int)(j % 23), file);
		assert_int_equal(file_close(file), 0);
		assert_int_equal(file_read(path, sizes[i], &bytes), 0);
		assert_int_equal(bytes.n, sizes[i]);
		assert_int_equal(strlen(bytes.at), sizes[i]);
		assert_true(sizes[i] == 0 ||
			    bytes.at[sizes[i] - 1] == 'a' + (int)((sizes[i] - 1) % 23));
		free(bytes.at);
		if (sizes[i] > 0)
			assert_int_equal(file_read(path, sizes[i] - 1, &bytes), -EFBIG);
	}
}

TEST(what_cannot_be_read_is_told_by_its_code)
{
	struct file_bytes bytes;
	assert_int_equal(file_read("/no/such/file", 10, &bytes), -ENOENT);
	assert_int_equal(file_read("/", 10, &bytes), -EISDIR);
	assert_int_equal(file_read("/dev/zero", 100000, &bytes), -EFBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_written_is_there, begin, end),
		cmocka_unit_test_setup_teardown(one_that_is_there_is_made_empty, begin, end),
		cmocka_unit_test(one_that_cannot_be_made_is_told_by_its_code),
		cmocka_unit_test(a_full_disk_is_told_at_the_end_if_not_before),
		cmocka_unit_test(what_failed_earlier_is_not_forgotten),
		cmocka_unit_test_setup_teardown(a_draft_takes_the_name_when_it_is_kept, begin, end),
		cmocka_unit_test_setup_teardown(a_draft_that_is_dropped_leaves_nothing, begin, end),
		cmocka_unit_test_setup_teardown(a_draft_that_cannot_be_kept_leaves_nothing, begin,
						end),
		cmocka_unit_test_setup_teardown(what_takes_its_place_has_its_permissions, begin,
						end),
		cmocka_unit_test_setup_teardown(a_draft_that_was_left_is_not_in_the_way, begin,
						end),
		cmocka_unit_test_setup_teardown(standard_output_is_written_to_and_stays_open, begin,
						end),
		cmocka_unit_test_setup_teardown(what_is_no_plain_file_is_not_replaced, begin, end),
		cmocka_unit_test_setup_teardown(a_file_is_read_up_to_its_bound, begin, end),
		cmocka_unit_test_setup_teardown(what_cannot_be_read_is_told_by_its_code, begin,
						end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
