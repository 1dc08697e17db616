/* SPDX-License-Identifier: MIT */
/*
 * One record is one line, whatever it contains, in one write(2). A reader that does not read stops
 * no process, and gets the number of lines that it missed.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit.h"

/* ---- is it a line of JSON? ---- */

/*
 * Each function removes its item from the front of a text and returns the rest, NULL if the text
 * does not begin with it.
 */
static const char *take_char(const char *text, char c)
{
	return text != NULL && *text == c ? text + 1 : NULL;
}

static const char *take_string(const char *text)
{
	text = take_char(text, '"');
	while (text != NULL && *text != '"') {
		if ((unsigned char)*text < 0x20)
			return NULL;
		if (*text == '\\' && (text[1] == '\0' || strchr("\"\\/bfnrt", text[1]) == NULL))
			return NULL;
		text += *text == '\\' ? 2 : 1;
	}
	return take_char(text, '"');
}

static const char *take_number(const char *text)
{
	size_t n = strspn(text, "0123456789");
	if (n == 0)
		return NULL;
	text += n;
	return *text == '.' ? take_number(text + 1) : text;
}

static bool is_json_line(const char *text)
{
	text = take_char(text, '{');
	for (;;) {
		text = take_char(take_string(text), ':');
		if (text == NULL)
			return false;
		text = *text == '"' ? take_string(text) : take_number(text);
		if (text == NULL)
			return false;
		if (*text != ',')
			break;
		text++;
	}
	return strcmp(text, "}\n") == 0;
}

/* One line of valid UTF-8 that a terminal can show, without anything that it would obey. */
static void assert_one_harmless_line(const struct unit_capture *log)
{
	assert_int_equal(strlen(log->text), log->size);
	assert_int_equal(unit_lines(log->text), 1);
	assert_true(log->size <= LOG_LINE_SIZE);
	for (size_t i = 0; i + 1 < log->size; i++) {
		unsigned char byte = (unsigned char)log->text[i];
		assert_true(byte >= 0x20 && byte != 0x7f);
	}
	assert_true(mbstowcs(NULL, log->text, 0) != (size_t)-1);
	if (log_is_json())
		assert_true(is_json_line(log->text));
}

/* ---- sentences ---- */

static struct unit_capture log_of;

TEST(a_message_names_the_program_and_the_severity)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	log_error("cannot listen on port %d: %s", 80, "permission denied");
	log_warning("port %d is a poor choice", 80);
	log_notice("listening on %s", "[::]:9877");
	unit_capture_end(&log_of);
	assert_string_equal(log_of.text, "tcpecho: cannot listen on port 80: permission denied\n"
					 "tcpecho: warning: port 80 is a poor choice\n"
					 "listening on [::]:9877\n");
}

TEST(colour_marks_only_the_severity)
{
	log_setup(LOG_TEXT, true);
	unit_capture_begin(&log_of, STDERR_FILENO);
	log_error("x");
	log_warning("x");
	log_notice("x");
	unit_capture_end(&log_of);
	assert_string_equal(log_of.text, "\033[1;31mtcpecho: \033[0mx\n"
					 "tcpecho: \033[1;33mwarning: \033[0mx\n"
					 "x\n");
}

TEST(a_sentence_in_json_is_an_object_without_paint)
{
	log_setup(LOG_JSON, true);
	unit_capture_begin(&log_of, STDERR_FILENO);
	log_error("a \"b\" c");
	log_warning("b");
	log_notice("c");
	unit_capture_end(&log_of);
	assert_string_equal(log_of.text, "{\"event\":\"error\",\"message\":\"a \\\"b\\\" c\"}\n"
					 "{\"event\":\"warning\",\"message\":\"b\"}\n"
					 "{\"event\":\"notice\",\"message\":\"c\"}\n");
}

/* ---- records ---- */

static void log_record_with(const char *value)
{
	struct log_record record;
	unit_capture_begin(&log_of, STDERR_FILENO);
	log_record_begin(&record, "end");
	log_record_text(&record, "peer", value);
	log_record_count(&record, "in", UINT64_MAX);
	log_record_seconds(&record, "seconds", UINT64_C(3214999999));
	log_record_end(&record);
	unit_capture_end(&log_of);
}

TEST(a_record_is_names_and_values)
{
	log_record_with("192.0.2.7:51334");
	assert_string_equal(log_of.text,
			    "end peer=192.0.2.7:51334 in=18446744073709551615 seconds=3.214\n");
}

TEST(a_record_in_json_is_one_object)
{
	log_setup(LOG_JSON, false);
	log_record_with("192.0.2.7:51334");
	assert_string_equal(log_of.text, "{\"event\":\"end\",\"peer\":\"192.0.2.7:51334\","
					 "\"in\":18446744073709551615,\"seconds\":3.214}\n");
}

TEST(seconds_are_shown_to_the_millisecond)
{
	static const struct {
		uint64_t ns;
		const char *line;
	} rows[] = {
		{ 0, "t s=0.000\n" },
		{ 999999, "t s=0.000\n" },
		{ CLOCK_NS_PER_MS, "t s=0.001\n" },
		{ 60 * CLOCK_NS_PER_S + 50 * CLOCK_NS_PER_MS, "t s=60.050\n" },
		{ UINT64_MAX, "t s=18446744073.709\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct log_record record;
		unit_capture_begin(&log_of, STDERR_FILENO);
		log_record_begin(&record, "t");
		log_record_seconds(&record, "s", rows[i].ns);
		log_record_end(&record);
		unit_capture_end(&log_of);
		assert_string_equal(log_of.text, rows[i].line);
	}
}

/* Values that an attacker may choose, and how they stand in the line. */
static const struct {
	const char *value;
	const char *in_text;
	const char *in_json;
} strangers[] = {
	{ "", "", "\"\"" },
	{ "plain", "plain", "\"plain\"" },
	{ "two words", "\"two words\"", "\"two words\"" },
	{ "a\"b", "\"a\\\"b\"", "\"a\\\"b\"" },
	{ "a\\b", "\"a\\\\b\"", "\"a\\\\b\"" },
	{ "a\nend peer=x", "\"a^Jend peer=x\"", "\"a^Jend peer=x\"" },
	{ "a\r\n", "a^M^J", "\"a^M^J\"" },
	{ "\033[2J", "^[[2J", "\"^[[2J\"" },
	{ "\xff", "\\xff", "\"\\\\xff\"" },
	{ "\xc2\x9b", "\\xc2\\x9b", "\"\\\\xc2\\\\x9b\"" },
	{ "gr\xc3\xbcn", "gr\xc3\xbcn", "\"gr\xc3\xbcn\"" },
	{ "\",\"in\":0}", "\"\\\",\\\"in\\\":0}\"", "\"\\\",\\\"in\\\":0}\"" },
	{ "cut\xe2\x82", "cut\\xe2\\x82", "\"cut\\\\xe2\\\\x82\"" },
};

TEST(a_value_from_outside_can_forge_no_field_and_no_line)
{
	for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
		char expected[256];
		log_setup(LOG_TEXT, false);
		log_record_with(strangers[i].value);
		assert_one_harmless_line(&log_of);
		snprintf(expected, sizeof(expected),
			 "end peer=%s in=18446744073709551615 seconds=3.214\n",
			 strangers[i].in_text);
		assert_string_equal(log_of.text, expected);

		log_setup(LOG_JSON, false);
		log_record_with(strangers[i].value);
		assert_one_harmless_line(&log_of);
		snprintf(expected, sizeof(expected),
			 "{\"event\":\"end\",\"peer\":%s,"
			 "\"in\":18446744073709551615,\"seconds\":3.214}\n",
			 strangers[i].in_json);
		assert_string_equal(log_of.text, expected);
	}
}

TEST(every_byte_in_a_sentence_leaves_one_harmless_line)
{
	for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
		log_setup((enum log_format)format, false);
		for (int byte = 1; byte < 256; byte++) {
			unit_capture_begin(&log_of, STDERR_FILENO);
			log_error("a%cb", byte);
			unit_capture_end(&log_of);
			assert_one_harmless_line(&log_of);
		}
	}
}

TEST(a_sentence_that_ends_within_a_character_loses_no_byte)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	log_notice("caf\xc3");
	log_notice("5 \xe2\x82");
	unit_capture_end(&log_of);
	assert_string_equal(log_of.text, "caf\\xc3\n"
					 "5 \\xe2\\x82\n");
}

/* ---- cutting ---- */

/* Bytes that grow in each possible way, and text that must not be cut within a character. */
static const char *const fillers[] = {
	"a", "\n", "\xff", "\"", "\\", "\xc3\xbc", "\xf0\x9f\x90\xa2"
};

#define FILLED (2 * LOG_LINE_SIZE)

static void fill(char *text, size_t size, size_t n_shift, const char *filler)
{
	memset(text, 'x', size);
	size_t length = strlen(filler);
	for (size_t at = n_shift; at + length < size; at += length)
		memcpy(text + at, filler, length);
	text[size - 1] = '\0';
}

TEST(a_long_value_is_cut_and_the_fields_behind_it_stay)
{
	static char value[FILLED];
	for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
		log_setup((enum log_format)format, false);
		const char *rest = format == LOG_JSON
					   ? ",\"in\":18446744073709551615,\"seconds\":3.214}\n"
					   : " in=18446744073709551615 seconds=3.214\n";
		for (size_t i = 0; i < ARRAY_LEN(fillers); i++) {
			/* At every alignment of the cut. */
			for (size_t shift = 0; shift < 8; shift++) {
				fill(value, sizeof(value), shift, fillers[i]);
				log_record_with(value);
				assert_one_harmless_line(&log_of);
				assert_true(log_of.size > strlen(rest) + 1000);
				assert_string_equal(log_of.text + log_of.size - strlen(rest), rest);
			}
		}
	}
}

TEST(a_long_sentence_is_cut_between_characters)
{
	static char sentence[FILLED];
	for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
		log_setup((enum log_format)format, false);
		for (size_t i = 0; i < ARRAY_LEN(fillers); i++) {
			for (size_t shift = 0; shift < 8; shift++) {
				fill(sentence, sizeof(sentence), shift, fillers[i]);
				unit_capture_begin(&log_of, STDERR_FILENO);
				log_warning("%s", sentence);
				unit_capture_end(&log_of);
				assert_one_harmless_line(&log_of);
				assert_true(log_of.size > 1000);
			}
		}
	}
}

TEST(a_line_that_grew_to_its_limit_is_cut_between_characters_too)
{
	/*
	 * Bytes that are shown fourfold almost fill the line, then two-byte characters cross its
	 * end.
	 */
	static char sentence[LOG_LINE_SIZE / 2];
	for (size_t n_bytes = 500; n_bytes < 512; n_bytes++) {
		for (size_t shift = 0; shift < 2; shift++) {
			fill(sentence, sizeof(sentence), n_bytes + shift, "\xc3\xbc");
			memset(sentence, 0xff, n_bytes);
			unit_capture_begin(&log_of, STDERR_FILENO);
			log_warning("%s", sentence);
			unit_capture_end(&log_of);
			assert_one_harmless_line(&log_of);
		}
	}
}

TEST(too_many_fields_leave_one_line)
{
	struct log_record record;
	unit_capture_begin(&log_of, STDERR_FILENO);
	log_record_begin(&record, "end");
	for (int i = 0; i < 1000; i++)
		log_record_text(&record, "name", "value");
	log_record_end(&record);
	unit_capture_end(&log_of);
	assert_one_harmless_line(&log_of);
}

/* ---- one write, one line ---- */

/* Makes fd standard error; returns the former one. */
static int redirect(int fd)
{
	int saved_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	dup2(fd, STDERR_FILENO);
	return saved_fd;
}

static void restore(int saved_fd)
{
	dup2(saved_fd, STDERR_FILENO);
	close(saved_fd);
}

TEST(a_line_is_one_write)
{
	int pair[2];
	char got[LOG_LINE_SIZE + 1];
	/* A datagram socket shows where a write ends. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	int saved_fd = redirect(pair[1]);
	log_warning("%0500d", 7);
	log_notice("next");
	restore(saved_fd);

	assert_int_equal(recv(pair[0], got, sizeof(got), MSG_DONTWAIT), 518 + 1);
	assert_int_equal(got[518], '\n');
	assert_int_equal(recv(pair[0], got, sizeof(got), MSG_DONTWAIT), 5);
	close(pair[0]);
	close(pair[1]);
}

/* The next `interruptions` calls end with EINTR before they do anything. */
static int interruptions;

static bool is_interrupted(void)
{
	if (interruptions == 0)
		return false;
	interruptions--;
	errno = EINTR;
	return true;
}

int __real_poll(struct pollfd *fds, nfds_t n, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);
ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);

int __wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
	return is_interrupted() ? -1 : __real_poll(fds, n, ms);
}

/* Bytes that standard error takes before its disk is full. */
static size_t disk_room = SIZE_MAX;

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	if (is_interrupted())
		return -1;
	if (fd != STDERR_FILENO || disk_room == SIZE_MAX)
		return __real_write(fd, bytes, size);
	if (disk_room == 0) {
		errno = ENOSPC;
		return -1;
	}
	size = size < disk_room ? size : disk_room;
	disk_room -= size;
	return __real_write(fd, bytes, size);
}

TEST(an_interruption_loses_no_line)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	for (int n = 0; n < 5; n++) {
		interruptions = n;
		log_notice("interrupted %d times", n);
		interruptions = n;
		log_error("interrupted %d times", n);
	}
	unit_capture_end(&log_of);
	assert_int_equal(interruptions, 0);
	assert_int_equal(unit_lines(log_of.text), 10);
	assert_null(strstr(log_of.text, "dropped"));
}

/* ---- a reader that does not read ---- */

struct stuck {
	int reader, writer;
};

/* A full pipe. */
static struct stuck make_stuck(int flags)
{
	int ends[2];
	static const char page[PIPE_BUF];
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	while (write(ends[1], page, sizeof(page)) > 0)
		continue;
	assert_true(fcntl(ends[1], F_SETFL, flags) >= 0);
	return (struct stuck){ ends[0], ends[1] };
}

/* Reads what is available, and returns the last part, without the filling, as a string. */
static const char *drain(const struct stuck *pipe)
{
	static char text[256 * 1024];
	static char piece[PIPE_BUF];
	size_t used = 0;
	ssize_t n;
	while ((n = read(pipe->reader, piece, sizeof(piece))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (piece[i] != '\0' && used < sizeof(text) - 1)
				text[used++] = piece[i];
		}
	}
	text[used] = '\0';
	return text;
}

static void close_stuck(const struct stuck *pipe)
{
	close(pipe->reader);
	close(pipe->writer);
}

TEST(lines_that_are_not_read_are_dropped_and_counted_later)
{
	struct log_record record;
	struct stuck pipe = make_stuck(0);
	int saved_fd = redirect(pipe.writer);
	log_notice("lost");
	log_warning("lost");
	log_record_begin(&record, "lost");
	log_record_end(&record);
	drain(&pipe);
	log_notice("here again");
	log_notice("and here");
	restore(saved_fd);
	assert_string_equal(drain(&pipe), "dropped lines=3\nhere again\nand here\n");
	close_stuck(&pipe);
}

TEST(dropped_lines_are_counted_in_json_as_well)
{
	struct stuck pipe = make_stuck(0);
	log_setup(LOG_JSON, false);
	int saved_fd = redirect(pipe.writer);
	log_notice("lost");
	drain(&pipe);
	log_notice("here");
	restore(saved_fd);
	assert_string_equal(drain(&pipe), "{\"event\":\"dropped\",\"lines\":1}\n"
					  "{\"event\":\"notice\",\"message\":\"here\"}\n");
	close_stuck(&pipe);
}

/* Logs an error behind n_held lines that are held. */
static void say_an_error(const struct stuck *pipe, int n_held)
{
	close(pipe->reader);
	redirect(pipe->writer);
	if (n_held > 0)
		log_hold();
	for (int i = 0; i < n_held; i++)
		log_notice("lost");
	log_error("this must not be lost");
}

/* The state of a process as ps(1) shows it: R runs, S sleeps, Z has ended. */
static char state_of(pid_t pid)
{
	char path[64], text[512] = "";
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	const char *name_end = n > 0 ? strrchr(text, ')') : NULL;
	assert_non_null(name_end);
	return name_end[2];
}

/*
 * Writes to a pipe with these flags, behind n_held lines that are held, and checks what the pipe
 * gets.
 */
static void assert_an_error_waits(int flags, int n_held, const char *expected)
{
	struct stuck pipe = make_stuck(flags);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(UNIT_TIMEOUT_S);
		say_an_error(&pipe, n_held);
		_exit(0);
	}
	close(pipe.writer);

	/*
	 * Wait until it sleeps. If it gives up instead, the message does not come when there is
	 * room.
	 */
	UNIT_WAIT_UNTIL(strchr("SZ", state_of(pid)) != NULL);
	char text[LOG_LINE_SIZE] = "";
	int status = -1;
	UNIT_WAIT_UNTIL((strcat(text, drain(&pipe)), waitpid(pid, &status, WNOHANG) == pid));
	strcat(text, drain(&pipe));
	assert_string_equal(text, expected);
	assert_int_equal(status, 0);
	close(pipe.reader);
}

TEST(an_error_waits_until_it_is_taken)
{
	assert_an_error_waits(0, 0, "tcpecho: this must not be lost\n");
}

TEST(an_error_waits_where_standard_error_does_not_block_too)
{
	assert_an_error_waits(O_NONBLOCK, 0, "tcpecho: this must not be lost\n");
}

TEST(an_error_waits_behind_held_lines_that_are_not_read)
{
	assert_an_error_waits(0, 3, "dropped lines=3\ntcpecho: this must not be lost\n");
}

/* ---- a full disk ---- */

TEST(a_line_that_was_cut_is_completed_before_the_next)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	disk_room = 5;
	log_notice("a line that is cut");
	log_notice("lost");
	assert_true(log_is_behind());
	disk_room = 3;
	log_notice("lost too");
	disk_room = SIZE_MAX;
	log_notice("next");
	assert_false(log_is_behind());
	unit_capture_end(&log_of);
	assert_string_equal(log_of.text, "a line that is cut\ndropped lines=2\nnext\n");
}

TEST(a_count_that_cannot_be_written_is_kept)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	disk_room = 0;
	log_notice("lost");
	disk_room = 4;
	log_notice("lost"); /* of the count itself four bytes are taken */
	disk_room = 0;
	log_notice("lost");
	disk_room = SIZE_MAX;
	log_catch_up();
	unit_capture_end(&log_of);
	assert_string_equal(log_of.text, "dropped lines=1\ndropped lines=2\n");
}

TEST(what_was_held_is_completed_too)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	disk_room = 6;
	log_hold();
	log_notice("one");
	log_notice("two");
	log_release();
	disk_room = SIZE_MAX;
	log_close();
	unit_capture_end(&log_of);
	assert_string_equal(log_of.text, "one\ntwo\n");
}

TEST(an_error_does_not_wait_for_a_disk_for_ever)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	disk_room = 0;
	log_error("lost");
	disk_room = SIZE_MAX;
	log_close();
	unit_capture_end(&log_of);
	assert_string_equal(log_of.text, "dropped lines=1\n");
}

/* ---- several processes ---- */

/* Logs a line in a child, with this amount of room. */
static void log_in_child(const char *line, size_t room)
{
	pid_t pid = fork();
	UNIT_CHILD_MUST(pid >= 0);
	if (pid == 0) {
		log_begin_child();
		disk_room = room;
		log_notice("%s", line);
		_exit(0);
	}
	UNIT_CHILD_MUST(waitpid(pid, NULL, 0) == pid);
}

/* In a child of the test: standard error is a pipe that other processes share. */
static int share_log(void)
{
	int ends[2];
	void *shared = mmap(NULL, sizeof(struct log_shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	UNIT_CHILD_MUST(shared != MAP_FAILED);
	UNIT_CHILD_MUST(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	redirect(ends[1]);
	log_share(shared);
	return ends[0];
}

static void child_must_have_read(int reader, const char *expected)
{
	struct stuck pipe = { .reader = reader };
	UNIT_CHILD_MUST(strcmp(drain(&pipe), expected) == 0);
}

static void be_cut_by_a_child(const void *argument)
{
	(void)argument;
	int reader = share_log();
	disk_room = 6;
	log_notice("parent is cut");
	log_in_child("child", SIZE_MAX);
	disk_room = SIZE_MAX;
	log_notice("parent");
	child_must_have_read(reader, "parent\nchild\ndropped lines=1\nparent\n");
}

TEST(a_line_behind_that_of_another_process_that_was_cut_begins_a_line)
{
	unit_in_child(be_cut_by_a_child, NULL);
}

static void go_on_behind_another_program(const void *argument)
{
	(void)argument;
	log_start_after_cut_line();
	int reader = share_log();
	log_notice("one");
	log_notice("two");
	child_must_have_read(reader, "\none\ntwo\n");
}

TEST(a_line_that_another_program_has_left_is_ended)
{
	unit_in_child(go_on_behind_another_program, NULL);
}

static void count_for_a_child(const void *argument)
{
	(void)argument;
	int reader = share_log();
	log_in_child("lost", 0);
	log_in_child("lost", 0);
	log_notice("parent");
	log_in_child("lost", 0);
	log_in_child("child", SIZE_MAX);
	log_notice("parent");
	child_must_have_read(reader, "dropped lines=2\nparent\ndropped lines=1\nchild\nparent\n");
}

TEST(lines_dropped_by_another_process_are_counted_once_by_the_next_writer)
{
	unit_in_child(count_for_a_child, NULL);
}

static void leave_it_to_the_parent(const void *argument)
{
	(void)argument;
	int reader = share_log();
	log_hold();
	log_notice("held");
	log_in_child("child", SIZE_MAX);
	disk_room = 2;
	log_release();
	disk_room = SIZE_MAX;
	log_close();
	child_must_have_read(reader, "child\nheld\n");
}

TEST(a_child_does_not_write_what_its_parent_holds)
{
	unit_in_child(leave_it_to_the_parent, NULL);
}

/* ---- a terminal and a socket that stall ---- */

/* In a child: standard error is non-blocking. All lines are whole, or counted, when it is read. */
static void log_without_waiting(int reader, int writer, bool is_socket)
{
	enum { N = 20000 }; /* more than a terminal or a socket takes in */
	struct stuck ends = { .reader = reader };
	char text[64];
	int n_lines = 0, n_dropped = 0;
	size_t n_read = 0, n_all = 0;
	UNIT_CHILD_MUST(fcntl(reader, F_SETFL, O_NONBLOCK) == 0);
	if (!is_socket)
		UNIT_CHILD_MUST(fcntl(writer, F_SETFL, O_NONBLOCK) == 0);
	redirect(writer);
	log_unblock(is_socket);
	alarm(UNIT_TIMEOUT_S);
	for (int i = 0; i < N; i++)
		log_notice("line %05d", i);
	UNIT_CHILD_MUST(log_is_behind());
	static char all[N * 16];
	do {
		n_read = strlen(strcpy(all + n_all, drain(&ends)));
		n_all += n_read;
		log_catch_up();
	} while (n_read > 0 || log_is_behind());
	for (char *line = strtok(all, "\r\n"); line != NULL; line = strtok(NULL, "\r\n")) {
		snprintf(text, sizeof(text), "line %05d", n_lines);
		bool is_count = sscanf(line, "dropped lines=%d", &n_dropped) == 1;
		UNIT_CHILD_MUST(is_count || strcmp(line, text) == 0);
		n_lines += is_count ? n_dropped : 1;
	}
	UNIT_CHILD_MUST(n_lines == N && n_dropped > 0);
}

static void log_to_terminal(const void *argument)
{
	(void)argument;
	int master, slave;
	UNIT_CHILD_MUST(openpty(&master, &slave, NULL, NULL, NULL) == 0);
	log_without_waiting(master, slave, false);
}

static void log_to_socket(const void *argument)
{
	(void)argument;
	int pair[2];
	UNIT_CHILD_MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	log_without_waiting(pair[0], pair[1], true);
}

TEST(a_terminal_that_stalls_gets_whole_lines_and_a_count_of_others)
{
	unit_need_terminal();
	unit_in_child(log_to_terminal, NULL);
}

TEST(a_socket_that_stalls_gets_whole_lines_and_a_count_of_others)
{
	unit_in_child(log_to_socket, NULL);
}

static void end_while_an_error_waits(const void *argument)
{
	(void)argument;
	sigset_t both;
	struct stuck pipe = make_stuck(0);
	sigemptyset(&both);
	sigaddset(&both, SIGTERM);
	UNIT_CHILD_MUST(sigprocmask(SIG_BLOCK, &both, NULL) == 0);
	redirect(pipe.writer);
	raise(SIGTERM);
	log_error("lost");
	drain(&pipe);
	log_close();
	UNIT_CHILD_MUST(strcmp(drain(&pipe), "dropped lines=1\n") == 0);
}

TEST(a_signal_that_has_come_ends_the_wait_of_an_error)
{
	unit_in_child(end_while_an_error_waits, NULL);
}

/* ---- many lines at once ---- */

/* A datagram socket in place of standard error, which shows where a write ends. */
struct writes {
	int reader, writer, saved_fd;
};

static struct writes begin_writes(void)
{
	int pair[2], room = 1024 * 1024;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	return (struct writes){ pair[0], pair[1], redirect(pair[1]) };
}

static void end_writes(const struct writes *writes)
{
	restore(writes->saved_fd);
	close(writes->reader);
	close(writes->writer);
}

/* Returns the bytes of the next write as a string; "" if there was no write. */
static const char *next_write(const struct writes *writes)
{
	static char got[2 * PIPE_BUF];
	ssize_t n = recv(writes->reader, got, sizeof(got) - 1, MSG_DONTWAIT);
	got[n > 0 ? n : 0] = '\0';
	return got;
}

TEST(lines_that_are_held_are_one_write_when_they_are_released)
{
	struct writes writes = begin_writes();
	log_hold();
	log_notice("one");
	log_warning("two");
	log_notice("three");
	assert_string_equal(next_write(&writes), "");
	log_release();
	assert_string_equal(next_write(&writes), "one\ntcpecho: warning: two\nthree\n");
	assert_string_equal(next_write(&writes), "");
	log_notice("four"); /* held no longer */
	assert_string_equal(next_write(&writes), "four\n");
	log_hold();
	log_release(); /* without held lines nothing is written */
	assert_string_equal(next_write(&writes), "");
	end_writes(&writes);
}

TEST(records_that_are_held_are_whole_in_json_too)
{
	struct writes writes = begin_writes();
	log_setup(LOG_JSON, false);
	log_hold();
	for (int i = 0; i < 2; i++) {
		struct log_record record;
		log_record_begin(&record, "end");
		log_record_count(&record, "in", (uint64_t)i);
		log_record_end(&record);
	}
	log_release();
	assert_string_equal(next_write(&writes), "{\"event\":\"end\",\"in\":0}\n"
						 "{\"event\":\"end\",\"in\":1}\n");
	end_writes(&writes);
}

/* Lines of every length, enough for several writes: each is whole, and in order. */
static void hold_many(enum log_format format)
{
	enum { N = 300 };
	struct writes writes = begin_writes();
	const char *before = format == LOG_JSON ? "{\"event\":\"notice\",\"message\":\"" : "";
	const char *behind = format == LOG_JSON ? "\"}\n" : "\n";
	log_setup(format, false);
	log_hold();
	for (int i = 1; i <= N; i++)
		log_notice("%0*d", i % 150 + 3, i);
	log_release();

	int n_writes = 0, n_lines = 0;
	for (const char *text = next_write(&writes); *text != '\0'; text = next_write(&writes)) {
		assert_true(strlen(text) <= PIPE_BUF);
		n_writes++;
		while (*text != '\0') {
			char expected[256];
			n_lines++;
			int size = snprintf(expected, sizeof(expected), "%s%0*d%s", before,
					    n_lines % 150 + 3, n_lines, behind);
			assert_memory_equal(text, expected, (size_t)size);
			text += size;
		}
	}
	assert_int_equal(n_lines, N);
	assert_true(n_writes < N / 10);
	end_writes(&writes);
}

TEST(hold_conn_lines_beyond_what_fits_are_written_on_the_way_and_none_is_torn)
{
	hold_many(LOG_TEXT);
	hold_many(LOG_JSON);
}

TEST(the_longest_lines_fit_however_little_room_is_left)
{
	static char sentence[LOG_LINE_SIZE];
	struct writes writes = begin_writes();
	log_hold();
	for (size_t n = 0; n < 64; n++) {
		fill(sentence, sizeof(sentence), n, "\xff"); /* which is shown fourfold */
		log_notice("%s", sentence);
		log_notice("%.*s", (int)n, "short short short short short short short short short");
	}
	log_release();
	size_t n_lines = 0;
	for (const char *text = next_write(&writes); *text != '\0'; text = next_write(&writes)) {
		assert_true(strlen(text) <= PIPE_BUF);
		n_lines += unit_lines(text);
	}
	assert_int_equal(n_lines, 128);
	end_writes(&writes);
}

TEST(an_error_is_written_at_once_behind_what_is_held)
{
	struct writes writes = begin_writes();
	log_hold();
	log_notice("one");
	log_notice("two");
	log_error("three");
	assert_string_equal(next_write(&writes), "one\ntwo\n");
	assert_string_equal(next_write(&writes), "tcpecho: three\n");
	log_notice("four");
	assert_string_equal(next_write(&writes), "");
	log_release();
	assert_string_equal(next_write(&writes), "four\n");
	end_writes(&writes);
}

TEST(an_interruption_loses_no_line_that_is_held)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	log_hold();
	log_notice("one");
	log_notice("two");
	interruptions = 5;
	log_release();
	unit_capture_end(&log_of);
	assert_int_equal(interruptions, 0);
	assert_string_equal(log_of.text, "one\ntwo\n");
}

TEST(held_lines_that_are_not_read_are_counted_each)
{
	struct stuck pipe = make_stuck(0);
	int saved_fd = redirect(pipe.writer);
	log_hold();
	for (int i = 0; i < 5; i++)
		log_notice("lost");
	log_release();
	drain(&pipe);
	log_notice("here again");
	restore(saved_fd);
	assert_string_equal(drain(&pipe), "dropped lines=5\nhere again\n");
	close_stuck(&pipe);
}

/*
 * The held lines exceed the buffer and are written before the release, while the pipe is full; then
 * the reader reads.
 */
TEST(dropped_lines_are_counted_before_any_later_line)
{
	struct stuck pipe = make_stuck(0);
	char expected[64];
	int saved_fd = redirect(pipe.writer), n_lost = 0;
	log_hold();
	for (size_t used = 0; used + 101 <= PIPE_BUF; used += 101, n_lost++)
		log_notice("%0100d", n_lost);
	log_notice("%0100d", n_lost); /* this one does not fit: the ones before it are dropped */
	drain(&pipe);
	log_notice("here again");
	log_release();
	log_notice("and here");
	restore(saved_fd);
	const char *text = drain(&pipe);
	snprintf(expected, sizeof(expected), "dropped lines=%d\n", n_lost);
	bool last_is_lost = strncmp(text, expected, strlen(expected)) != 0;
	snprintf(expected, sizeof(expected), "dropped lines=%d\n", n_lost + last_is_lost);
	assert_memory_equal(text, expected, strlen(expected));
	assert_string_equal(text + strlen(text) - 20, "here again\nand here\n");
	close_stuck(&pipe);
}

/* ---- no reader at all ---- */

static void log_into_nothing(const void *argument)
{
	const int *fd = argument;
	signal(SIGPIPE, SIG_IGN);
	if (*fd >= 0)
		redirect(*fd);
	else
		close(STDERR_FILENO);
	log_error("this is not read");
	log_notice("nor this");
}

TEST(a_log_without_a_reader_ends_no_process)
{
	int ends[2], none = -1;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	unit_in_child(log_into_nothing, &ends[1]);
	close(ends[1]);
	unit_in_child(log_into_nothing, &none);
}

/* ---- floods ---- */

TEST(once_a_second_is_at_once_and_then_after_a_second)
{
	_Atomic uint64_t last_ns = 0;
	assert_true(log_once_a_second(&last_ns));
	uint64_t first_ns = last_ns;
	assert_true(first_ns != 0);
	last_ns = clock_now_ns();
	uint64_t before_ns = last_ns;
	assert_false(log_once_a_second(&last_ns));
	assert_int_equal(last_ns, before_ns);
	last_ns = clock_now_ns() - CLOCK_NS_PER_S;
	assert_true(log_once_a_second(&last_ns));
	assert_true(last_ns >= before_ns);
}

/* ---- colour ---- */

struct terminal {
	bool is_terminal;
	const char *term, *no_color;
	bool wanted;
};

static void ask_for_colour(const void *argument)
{
	const struct terminal *row = argument;
	int master, slave;
	UNIT_CHILD_MUST(openpty(&master, &slave, NULL, NULL, NULL) == 0);
	if (row->is_terminal)
		redirect(slave);
	unsetenv("TERM");
	unsetenv("NO_COLOR");
	if (row->term != NULL)
		setenv("TERM", row->term, 1);
	if (row->no_color != NULL)
		setenv("NO_COLOR", row->no_color, 1);
	UNIT_CHILD_MUST(log_colour_wanted(STDERR_FILENO) == row->wanted);
}

TEST(colour_is_for_terminals_without_no_color)
{
	unit_need_terminal();
	static const struct terminal rows[] = {
		{ true, "xterm", NULL, true }, { true, "xterm", "", true },
		{ true, "xterm", "1", false }, { true, "xterm", "0", false },
		{ true, "dumb", NULL, false }, { true, NULL, NULL, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		unit_in_child(ask_for_colour, &rows[i]);
}

static void ask_for_colour_in_a_file(const void *argument)
{
	(void)argument;
	redirect(open("/dev/null", O_WRONLY | O_CLOEXEC));
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	UNIT_CHILD_MUST(!log_colour_wanted(STDERR_FILENO));
}

TEST(a_file_is_not_painted)
{
	unit_in_child(ask_for_colour_in_a_file, NULL);
}

static int in_text(void **state)
{
	(void)state;
	log_setup(LOG_TEXT, false);
	log_release(); /* clears what a failed test has left */
	return 0;
}

#define LOG_TEST(name) cmocka_unit_test_setup(name, in_text)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(a_message_names_the_program_and_the_severity),
		LOG_TEST(colour_marks_only_the_severity),
		LOG_TEST(a_sentence_in_json_is_an_object_without_paint),
		LOG_TEST(a_record_is_names_and_values),
		LOG_TEST(a_record_in_json_is_one_object),
		LOG_TEST(seconds_are_shown_to_the_millisecond),
		LOG_TEST(a_value_from_outside_can_forge_no_field_and_no_line),
		LOG_TEST(every_byte_in_a_sentence_leaves_one_harmless_line),
		LOG_TEST(a_sentence_that_ends_within_a_character_loses_no_byte),
		LOG_TEST(a_long_value_is_cut_and_the_fields_behind_it_stay),
		LOG_TEST(a_long_sentence_is_cut_between_characters),
		LOG_TEST(a_line_that_grew_to_its_limit_is_cut_between_characters_too),
		LOG_TEST(too_many_fields_leave_one_line),
		LOG_TEST(a_line_is_one_write),
		LOG_TEST(an_interruption_loses_no_line),
		LOG_TEST(lines_that_are_not_read_are_dropped_and_counted_later),
		LOG_TEST(dropped_lines_are_counted_in_json_as_well),
		LOG_TEST(an_error_waits_until_it_is_taken),
		LOG_TEST(an_error_waits_where_standard_error_does_not_block_too),
		LOG_TEST(an_error_waits_behind_held_lines_that_are_not_read),
		LOG_TEST(a_line_that_was_cut_is_completed_before_the_next),
		LOG_TEST(a_count_that_cannot_be_written_is_kept),
		LOG_TEST(what_was_held_is_completed_too),
		LOG_TEST(an_error_does_not_wait_for_a_disk_for_ever),
		LOG_TEST(a_line_behind_that_of_another_process_that_was_cut_begins_a_line),
		LOG_TEST(a_line_that_another_program_has_left_is_ended),
		LOG_TEST(lines_dropped_by_another_process_are_counted_once_by_the_next_writer),
		LOG_TEST(a_child_does_not_write_what_its_parent_holds),
		LOG_TEST(a_terminal_that_stalls_gets_whole_lines_and_a_count_of_others),
		LOG_TEST(a_socket_that_stalls_gets_whole_lines_and_a_count_of_others),
		LOG_TEST(a_signal_that_has_come_ends_the_wait_of_an_error),
		LOG_TEST(lines_that_are_held_are_one_write_when_they_are_released),
		LOG_TEST(records_that_are_held_are_whole_in_json_too),
		LOG_TEST(hold_conn_lines_beyond_what_fits_are_written_on_the_way_and_none_is_torn),
		LOG_TEST(the_longest_lines_fit_however_little_room_is_left),
		LOG_TEST(an_error_is_written_at_once_behind_what_is_held),
		LOG_TEST(an_interruption_loses_no_line_that_is_held),
		LOG_TEST(held_lines_that_are_not_read_are_counted_each),
		LOG_TEST(dropped_lines_are_counted_before_any_later_line),
		LOG_TEST(a_log_without_a_reader_ends_no_process),
		LOG_TEST(once_a_second_is_at_once_and_then_after_a_second),
		LOG_TEST(colour_is_for_terminals_without_no_color),
		LOG_TEST(a_file_is_not_painted),
	};
	/* mbstowcs(3) decides in this locale what is valid UTF-8. */
	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
