/* SPDX-License-Identifier: MIT */
/*
 * A writer never waits for its reader, whatever it is, and does not affect other processes with the
 * same open file.
 */
#include "net/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "net/io.h"
#include "net/signals.h"
#include "unit.h"

#define NOBODY 65534

/* ---- outputs ---- */

/* An output of a test, and the descriptor from which it is read. */
struct output {
	int reader, fd;
};

static struct output open_pipe(void)
{
	int ends[2];
	UNIT_CHILD_MUST(pipe2(ends, O_CLOEXEC) == 0);
	return (struct output){ ends[0], ends[1] };
}

static struct output open_terminal(void)
{
	int master, slave;
	struct termios raw;
	UNIT_CHILD_MUST(openpty(&master, &slave, NULL, NULL, NULL) == 0);
	UNIT_CHILD_MUST(tcgetattr(slave, &raw) == 0);
	cfmakeraw(&raw);
	UNIT_CHILD_MUST(tcsetattr(slave, TCSANOW, &raw) == 0);
	return (struct output){ master, slave };
}

static struct output open_fifo(void)
{
	struct output out;
	char path[64];
	snprintf(path, sizeof(path), "/tmp/test_writer.%d", (int)getpid());
	UNIT_CHILD_MUST(mkfifo(path, 0600) == 0);
	out.reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	out.fd = open(path, O_WRONLY | O_CLOEXEC);
	unlink(path);
	UNIT_CHILD_MUST(out.reader >= 0 && out.fd >= 0);
	UNIT_CHILD_MUST(fcntl(out.reader, F_SETFL, 0) == 0);
	return out;
}

static struct output open_socket(void)
{
	int pair[2];
	UNIT_CHILD_MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	return (struct output){ pair[0], pair[1] };
}

/* Every kind of output that may block a program. */
static struct output (*const outputs[])(void) = {
	open_pipe,
	open_terminal,
	open_fifo,
	open_socket,
};

/* Each output belongs to this user, or to another one, and then it cannot be opened again. */
struct trial {
	size_t output;
	bool is_of_another;
	void (*run)(const struct output *out);
};

static void try_one(const void *argument)
{
	const struct trial *trial = argument;
	struct output out = outputs[trial->output]();
	signals_setup_writing();
	if (trial->is_of_another) {
		UNIT_CHILD_MUST(setgroups(0, NULL) == 0);
		UNIT_CHILD_MUST(setresgid(NOBODY, NOBODY, NOBODY) == 0);
		UNIT_CHILD_MUST(setresuid(NOBODY, NOBODY, NOBODY) == 0);
	}
	trial->run(&out);
}

static void try_all(void (*run)(const struct output *out))
{
	for (size_t i = 0; i < ARRAY_LEN(outputs); i++) {
		struct trial trial = { .output = i, .run = run };
		unit_in_child(try_one, &trial);
		trial.is_of_another = true;
		if (geteuid() == 0)
			unit_in_child(try_one, &trial);
	}
}

/* Fills with bytes without repeating parts. */
static void fill(unsigned char *bytes, size_t size, size_t from)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)((from + i) * 2654435761U >> 13);
}

/* In a child: writes until the output takes no more. Returns the number of bytes. */
static size_t write_until_full(struct writer *writer)
{
	unsigned char bytes[1000];
	size_t total = 0;
	for (;;) {
		fill(bytes, sizeof(bytes), total);
		ssize_t n = writer_write(writer, bytes, sizeof(bytes));
		if (n == -EAGAIN)
			return total;
		UNIT_CHILD_MUST(n > 0);
		total += (size_t)n;
	}
}

/* In a child: reads exactly `size` bytes. */
static void read_from(int reader, size_t from, size_t size)
{
	unsigned char got[1000], expected[1000];
	while (size > 0) {
		struct pollfd in = { .fd = reader, .events = POLLIN };
		UNIT_CHILD_MUST(poll(&in, 1, UNIT_TIMEOUT_S * 1000) == 1);
		ssize_t n = read(reader, got, size < sizeof(got) ? size : sizeof(got));
		UNIT_CHILD_MUST(n > 0);
		fill(expected, (size_t)n, from);
		UNIT_CHILD_MUST(memcmp(got, expected, (size_t)n) == 0);
		from += (size_t)n;
		size -= (size_t)n;
	}
}

/* ---- the output is not read ---- */

static void write_to_stalled(const struct output *out)
{
	struct writer writer;
	int other_fd = dup(out->fd); /* the same open file, as a shell has it */
	int flags = fcntl(other_fd, F_GETFL);
	bool is_terminal = isatty(out->fd);
	writer_open(out->fd, WRITER_ANY_FILE, &writer);
	UNIT_CHILD_MUST(writer.fd == out->fd && !writer.may_wait);
	UNIT_CHILD_MUST(writer.is_terminal == is_terminal);
	UNIT_CHILD_MUST(fcntl(other_fd, F_GETFL) == flags);
	size_t total = write_until_full(&writer);
	UNIT_CHILD_MUST(total > 0);
	read_from(out->reader, 0, total);
	UNIT_CHILD_MUST(writer_write(&writer, "x", 1) == 1);
}

TEST(nothing_waits_for_a_reader_and_the_open_file_stays_as_it_was)
{
	unit_need_terminal();
	try_all(write_to_stalled);
}

/* ---- outputs that need nothing ---- */

static void append(const void *argument)
{
	const char *path = argument;
	struct writer writer;
	char text[16] = "";
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int other_fd = dup(fd);
	UNIT_CHILD_MUST(write(fd, "one", 3) == 3);
	writer_open(fd, WRITER_LOCAL_FILES, &writer);
	UNIT_CHILD_MUST(writer.copier == 0 && !writer.may_wait);
	UNIT_CHILD_MUST(writer_write(&writer, "two", 3) == 3);
	UNIT_CHILD_MUST(write(other_fd, "three", 5) == 5);
	UNIT_CHILD_MUST(writer_write(&writer, "four", 4) == 4);
	UNIT_CHILD_MUST(pread(other_fd, text, sizeof(text), 0) == 15);
	UNIT_CHILD_MUST(strcmp(text, "onetwothreefour") == 0);
}

TEST(a_file_is_appended_to_where_it_was)
{
	struct unit_directory directory = unit_directory_make();
	char path[128];
	snprintf(path, sizeof(path), "%s/file", directory.path);
	unit_in_child(append, path);
	unit_directory_remove(&directory);
}

static void write_to_what_is_read(const void *argument)
{
	(void)argument;
	struct writer writer;
	struct output out = open_pipe();
	writer_open(out.reader, WRITER_ANY_FILE, &writer);
	UNIT_CHILD_MUST(writer_write(&writer, "x", 1) == -EBADF);
	UNIT_CHILD_MUST((fcntl(out.reader, F_GETFL) & O_ACCMODE) == O_RDONLY);
	close(out.reader);
	writer_open(out.reader, WRITER_ANY_FILE, &writer);
	UNIT_CHILD_MUST(writer_write(&writer, "x", 1) == -EBADF);
}

TEST(what_is_not_open_for_writing_stays_so)
{
	unit_in_child(write_to_what_is_read, NULL);
}

static void write_to_master(const void *argument)
{
	(void)argument;
	struct writer writer;
	struct output out = open_terminal();
	char got;
	writer_open(out.reader, WRITER_ANY_FILE, &writer);
	UNIT_CHILD_MUST(writer_write(&writer, "x", 1) == 1);
	UNIT_CHILD_MUST(read(out.fd, &got, 1) == 1 && got == 'x');
}

/* A second open would make another terminal. */
TEST(the_master_of_a_terminal_stays_the_same)
{
	unit_need_terminal();
	unit_in_child(write_to_master, NULL);
}

/* ---- the reader goes ---- */

static void write_without_reader(const struct output *out)
{
	struct writer writer;
	int reader = out->reader;
	ssize_t n;
	writer_open(out->fd, WRITER_ANY_FILE, &writer);
	io_close(&reader);
	do {
		n = writer_write(&writer, "x", 1);
	} while (n == 1 || n == -EAGAIN); /* a copier takes some bytes before it knows */
	UNIT_CHILD_MUST(n == (writer.is_terminal ? -EIO : -EPIPE));
}

TEST(a_reader_that_is_gone_is_an_error)
{
	unit_need_terminal();
	try_all(write_without_reader);
}

static void open_without_reader(const void *argument)
{
	(void)argument;
	struct writer writer;
	struct output out = open_pipe();
	signals_setup_writing();
	io_close(&out.reader);
	writer_open(out.fd, WRITER_ANY_FILE, &writer);
	UNIT_CHILD_MUST(writer_write(&writer, "x", 1) == -EPIPE);
}

TEST(a_reader_that_was_gone_before_is_one_too)
{
	unit_in_child(open_without_reader, NULL);
}

/* ---- waiting for the reader ---- */

#define BULK ((size_t)300000)

/* Starts a child that reads `size` bytes, slowly at first. */
static pid_t start_reader(int fd, size_t size)
{
	pid_t pid = fork();
	UNIT_CHILD_MUST(pid >= 0);
	if (pid == 0) {
		unit_sleep_ms(20);
		read_from(fd, 0, size);
		_exit(0);
	}
	return pid;
}

static void write_bulk(const struct output *out)
{
	static unsigned char bytes[BULK];
	struct writer writer;
	struct writer_wait wait = { .signals_fd = signals_setup_meter() };
	int status;
	fill(bytes, BULK, 0);
	writer_open(out->fd, WRITER_ANY_FILE, &writer);
	pid_t pid = start_reader(out->reader, BULK);
	UNIT_CHILD_MUST(writer_write_all(&writer, bytes, BULK, &wait) == 0);
	UNIT_CHILD_MUST(writer_finish(&writer, &wait) == 0);
	UNIT_CHILD_MUST(waitpid(pid, &status, 0) == pid && status == 0);
}

TEST(what_is_to_be_written_as_a_whole_waits_and_comes_as_it_was)
{
	unit_need_terminal();
	try_all(write_bulk);
}

static void end_a_wait(const struct output *out)
{
	static unsigned char bytes[BULK];
	struct writer writer;
	struct writer_wait wait = { .signals_fd = signals_setup_meter() };
	writer_open(out->fd, WRITER_ANY_FILE, &writer);
	raise(SIGQUIT); /* not a request to end */
	raise(SIGTERM);
	UNIT_CHILD_MUST(writer_write_all(&writer, bytes, BULK, &wait) == -EINTR);
	UNIT_CHILD_MUST(wait.ended_by == SIGTERM);
	/* After a signal it does not wait for a reader that takes nothing. */
	wait.ended_by = 0;
	writer_note_signal(&wait, SIGINT);
	writer_note_signal(&wait, SIGTERM);
	UNIT_CHILD_MUST(writer_write_all(&writer, bytes, BULK, &wait) == -EINTR);
	UNIT_CHILD_MUST(wait.ended_by == SIGINT);
	int expected = writer.copier != 0 ? -EINTR : 0;
	UNIT_CHILD_MUST(writer_finish(&writer, &wait) == expected);
}

TEST(a_signal_ends_the_wait_for_a_reader)
{
	unit_need_terminal();
	try_all(end_a_wait);
}

/* Both signals belong to the first request: only the reader, which takes nothing, ends the wait. */
static void end_a_wait_twice(const struct output *out)
{
	static unsigned char bytes[BULK];
	struct writer writer;
	struct writer_wait wait = { .signals_fd = signals_setup_meter() };
	writer_open(out->fd, WRITER_ANY_FILE, &writer);
	writer_note_signal(&wait, SIGTERM);
	raise(SIGTERM);
	raise(SIGINT);
	UNIT_CHILD_MUST(writer_write_all(&writer, bytes, BULK, &wait) == -EINTR);
	UNIT_CHILD_MUST(wait.ended_by == SIGTERM);
	UNIT_CHILD_MUST(signals_next(wait.signals_fd) == 0);

	wait.ended_ns -= SIGNALS_SAME_REQUEST_NS; /* the time for the same request is over */
	wait.signals_read_ns = clock_now_ns();
	raise(SIGINT);
	UNIT_CHILD_MUST(writer_write_all(&writer, bytes, BULK, &wait) == -EINTR);
	UNIT_CHILD_MUST(wait.ended_by == SIGINT);
}

TEST(a_request_to_end_that_comes_as_two_signals_does_not_end_the_wait)
{
	unit_need_terminal();
	try_all(end_a_wait_twice);
}

/* ---- several writers ---- */

/* A process that writes its own records until the output takes no more. */
static void write_records(int fd, char letter)
{
	char record[101];
	struct writer writer = { .fd = fd, .copier_fd = -1 };
	memset(record, letter, sizeof(record) - 1);
	record[sizeof(record) - 1] = '\n';
	while (writer_write(&writer, record, sizeof(record)) != -EAGAIN)
		continue;
}

static void write_together(const void *argument)
{
	(void)argument;
	enum { N = 4 };
	struct output out = open_pipe();
	struct writer writer;
	char record[101];
	writer_open(out.fd, WRITER_ANY_FILE, &writer);
	for (int i = 0; i < N; i++) {
		pid_t pid = fork();
		UNIT_CHILD_MUST(pid >= 0);
		if (pid == 0) {
			write_records(writer.fd, (char)('a' + i));
			_exit(0);
		}
	}
	for (int i = 0; i < N; i++)
		UNIT_CHILD_MUST(wait(NULL) > 0);
	io_close(&out.fd);
	for (ssize_t n; (n = read(out.reader, record, sizeof(record))) > 0;) {
		UNIT_CHILD_MUST(n == sizeof(record));
		for (size_t i = 0; i < sizeof(record) - 1; i++)
			UNIT_CHILD_MUST(record[i] == record[0]);
		UNIT_CHILD_MUST(record[sizeof(record) - 1] == '\n');
	}
}

TEST(records_of_several_processes_are_whole_in_a_pipe)
{
	unit_in_child(write_together, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_waits_for_a_reader_and_the_open_file_stays_as_it_was),
		cmocka_unit_test(a_file_is_appended_to_where_it_was),
		cmocka_unit_test(what_is_not_open_for_writing_stays_so),
		cmocka_unit_test(the_master_of_a_terminal_stays_the_same),
		cmocka_unit_test(a_reader_that_is_gone_is_an_error),
		cmocka_unit_test(a_reader_that_was_gone_before_is_one_too),
		cmocka_unit_test(what_is_to_be_written_as_a_whole_waits_and_comes_as_it_was),
		cmocka_unit_test(a_signal_ends_the_wait_for_a_reader),
		cmocka_unit_test(a_request_to_end_that_comes_as_two_signals_does_not_end_the_wait),
		cmocka_unit_test(records_of_several_processes_are_whole_in_a_pipe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
