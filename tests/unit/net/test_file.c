/* SPDX-License-Identifier: MIT */
/* A file that cannot be written completely gives the code of the error. */
#include "net/file.h"

#include <errno.h>
#include <fcntl.h>
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

TEST(a_full_disk_is_an_error_at_the_end_at_the_latest)
{
	FILE *file = fopen("/dev/full", "we");
	fputs("lost", file);
	assert_int_equal(file_close(file), -ENOSPC);
}

TEST(what_failed_earlier_is_not_forgotten)
{
	FILE *file = fopen("/dev/full", "we");
	setvbuf(file, NULL, _IONBF, 0);
	fputs("lost", file);
	assert_int_equal(file_close(file), -EIO);
}

/* ---- all or nothing ---- */

static void write_file(const char *text)
{
	FILE *file = fopen(path, "we");
	fputs(text, file);
	assert_int_equal(file_close(file), 0);
}

static void assert_content(const char *expected)
{
	struct file_bytes bytes;
	assert_int_equal(file_read(path, 1000, &bytes), 0);
	assert_string_equal(bytes.at, expected);
	free(bytes.at);
}

/* Writes a text to a path through a draft file. */
static int keep(const char *to, const char *text)
{
	struct file_draft draft;
	int rc = file_draft(to, &draft);
	if (rc < 0)
		return rc;
	fputs(text, draft.file);
	return file_keep(&draft, NULL);
}

static struct stat info_of(const char *of)
{
	struct stat info;
	assert_int_equal(stat(of, &info), 0);
	return info;
}

TEST(a_draft_is_there_when_it_is_kept_and_not_before)
{
	struct file_draft draft;
	write_file("old");
	assert_int_equal(file_draft(path, &draft), 0);
	fputs("new", draft.file);
	assert_int_equal(file_flush(draft.file), 0);
	assert_content("old");
	assert_int_equal(file_keep(&draft, NULL), 0);
	assert_content("new");
}

TEST(one_where_nothing_is_makes_nothing_until_it_is_kept)
{
	struct file_draft draft;
	assert_int_equal(file_draft(path, &draft), 0);
	assert_int_not_equal(access(path, F_OK), 0);
	file_drop(&draft);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(keep(path, "new"), 0);
	assert_content("new");
}

TEST(a_file_that_was_moved_away_meanwhile_stays_as_it_was)
{
	struct file_draft draft;
	char moved[80];
	snprintf(moved, sizeof(moved), "%s.moved", path);
	write_file("old");
	assert_int_equal(file_draft(path, &draft), 0);
	fputs("new", draft.file);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(file_keep(&draft, NULL), 0);
	assert_content("new");
	assert_int_equal(rename(moved, path), 0);
	assert_content("old");
}

TEST(an_unwritable_file_is_an_error_at_the_beginning)
{
	struct file_draft draft;
	assert_int_equal(file_draft("/no/such/directory/file", &draft), -ENOENT);
	assert_int_equal(file_draft("/", &draft), -EISDIR);
	assert_int_equal(file_draft("/dev/fd/999", &draft), -EBADF);
}

TEST(a_directory_at_its_path_is_an_error_at_the_end)
{
	struct file_draft draft;
	assert_int_equal(file_draft(path, &draft), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(file_keep(&draft, NULL), -EISDIR);
	assert_int_equal(rmdir(path), 0);
}

TEST(a_new_file_has_the_mode_of_the_old)
{
	mode_t mask = umask(027);
	assert_int_equal(keep(path, ""), 0);
	assert_int_equal(info_of(path).st_mode & 07777, 0640);
	assert_int_equal(umask(mask), 027); /* as before */
	static const mode_t modes[] = { 0600, 0644, 0666, 0755, 02755 };
	char other[80];
	snprintf(other, sizeof(other), "%s.name", path);
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		ino_t before = info_of(path).st_ino;
		assert_int_equal(keep(path, "new"), 0);
		assert_int_equal(info_of(path).st_mode & 07777, modes[i]);
		assert_int_not_equal(info_of(path).st_ino, before);
		/* The same when the file is overwritten, because it has another name. */
		assert_int_equal(link(path, other), 0);
		assert_int_equal(keep(path, "newer"), 0);
		assert_int_equal(info_of(other).st_mode & 07777, modes[i]);
		assert_int_equal(unlink(other), 0);
	}
}

TEST(a_new_file_has_the_owner_of_the_old)
{
	if (geteuid() != 0)
		unit_skip("only root can give a file away");
	write_file("old");
	assert_int_equal(chown(path, 65534, 12345), 0);
	assert_int_equal(chmod(path, 0660), 0);
	assert_int_equal(keep(path, "new"), 0);
	assert_content("new");
	assert_int_equal(info_of(path).st_uid, 65534);
	assert_int_equal(info_of(path).st_gid, 12345);
	assert_int_equal(info_of(path).st_mode & 07777, 0660);
}

/* ---- the same file ---- */

/* Writes a longer text, a shorter one and none: each must be the whole contents. */
static void overwrite_and_look(const char *to)
{
	static const char *const texts[] = { "old", "longer than the old one", "x", "" };
	ino_t before = info_of(to).st_ino;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(keep(to, texts[i]), 0);
		assert_content(texts[i]);
		assert_int_equal(info_of(to).st_ino, before);
	}
}

TEST(a_symbolic_link_stays_one)
{
	char name[80];
	struct stat info;
	snprintf(name, sizeof(name), "%s.link", path);
	assert_int_equal(symlink(path, name), 0);
	assert_int_equal(keep(name, "made through it"), 0);
	assert_content("made through it");
	overwrite_and_look(name);
	assert_int_equal(lstat(name, &info), 0);
	assert_true(S_ISLNK(info.st_mode));
	assert_int_equal(unlink(name), 0);
}

TEST(a_file_with_another_name_keeps_it)
{
	char name[80];
	snprintf(name, sizeof(name), "%s.name", path);
	write_file("");
	assert_int_equal(link(path, name), 0);
	overwrite_and_look(name);
	assert_int_equal(info_of(path).st_nlink, 2);
	assert_int_equal(unlink(name), 0);
}

TEST(a_long_name_needs_no_longer_one)
{
	char name[300];
	int n = snprintf(name, sizeof(name), "/tmp/");
	memset(name + n, 'n', 252);
	snprintf(name + n + 242, 11, "%010d", (int)getpid());
	assert_int_equal(keep(name, "new"), 0);
	assert_int_equal(keep(name, "again"), 0);
	assert_int_equal(info_of(name).st_size, 5);
	assert_int_equal(unlink(name), 0);
}

/* ---- descriptors and what is no file ---- */

TEST(standard_output_is_written_to_and_stays_open)
{
	static const char *const names[] = { "-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct unit_capture capture;
		unit_capture_begin(&capture, STDOUT_FILENO);
		int rc = keep(names[i], "one\n");
		int again = keep(names[i], "two\n");
		unit_capture_end(&capture);
		assert_int_equal(rc, 0);
		assert_int_equal(again, 0);
		assert_string_equal(capture.text, "one\ntwo\n");
	}
	assert_int_not_equal(access("-", F_OK), 0);
}

TEST(a_link_to_standard_output_is_standard_output)
{
	struct unit_capture capture;
	assert_int_equal(symlink("/dev/stdout", path), 0);
	unit_capture_begin(&capture, STDOUT_FILENO);
	int rc = keep(path, "one\n");
	unit_capture_end(&capture);
	assert_int_equal(rc, 0);
	assert_string_equal(capture.text, "one\n");
}

TEST(a_descriptor_may_be_a_socket)
{
	int one, other;
	char name[32], got[4] = "";
	unit_socket_pair(&one, &other);
	snprintf(name, sizeof(name), "/dev/fd/%d", one);
	assert_int_equal(keep(name, "new"), 0);
	unit_read(other, got, 3);
	assert_string_equal(got, "new");
	close(one);
	unit_read_end(other);
	close(other);
}

TEST(a_device_is_written_to)
{
	assert_int_equal(keep("/dev/null", "x"), 0);
	assert_int_equal(keep("/dev/full", "x"), -ENOSPC);
	assert_int_equal(keep("/dev/full", ""), 0);
	assert_true(S_ISCHR(info_of("/dev/full").st_mode));
}

TEST(a_named_pipe_gets_it_and_stays_one)
{
	char got[4] = "";
	assert_int_equal(mkfifo(path, 0600), 0);
	int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(keep(path, "new"), 0);
	unit_read(reader, got, 3);
	assert_string_equal(got, "new");
	unit_read_end(reader);
	close(reader);
	assert_true(S_ISFIFO(info_of(path).st_mode));
}

/* ---- reading ---- */

TEST(a_file_is_read_up_to_its_bound)
{
	static const size_t sizes[] = { 0, 1, 999, 65535, 65536, 65537, 200000 };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct file_bytes bytes;
		FILE *file = fopen(path, "we");
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

TEST(an_unreadable_file_is_an_error_code)
{
	struct file_bytes bytes;
	assert_int_equal(file_read("/no/such/file", 10, &bytes), -ENOENT);
	assert_int_equal(file_read("/", 10, &bytes), -EISDIR);
	assert_int_equal(file_read("/dev/zero", 100000, &bytes), -EFBIG);
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(a_full_disk_is_an_error_at_the_end_at_the_latest),
		FILE_TEST(what_failed_earlier_is_not_forgotten),
		FILE_TEST(a_draft_is_there_when_it_is_kept_and_not_before),
		FILE_TEST(one_where_nothing_is_makes_nothing_until_it_is_kept),
		FILE_TEST(a_file_that_was_moved_away_meanwhile_stays_as_it_was),
		FILE_TEST(an_unwritable_file_is_an_error_at_the_beginning),
		FILE_TEST(a_directory_at_its_path_is_an_error_at_the_end),
		FILE_TEST(a_new_file_has_the_mode_of_the_old),
		FILE_TEST(a_new_file_has_the_owner_of_the_old),
		FILE_TEST(a_symbolic_link_stays_one),
		FILE_TEST(a_file_with_another_name_keeps_it),
		FILE_TEST(a_long_name_needs_no_longer_one),
		FILE_TEST(standard_output_is_written_to_and_stays_open),
		FILE_TEST(a_link_to_standard_output_is_standard_output),
		FILE_TEST(a_descriptor_may_be_a_socket),
		FILE_TEST(a_device_is_written_to),
		FILE_TEST(a_named_pipe_gets_it_and_stays_one),
		FILE_TEST(a_file_is_read_up_to_its_bound),
		FILE_TEST(an_unreadable_file_is_an_error_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
