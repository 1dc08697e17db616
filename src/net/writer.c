/* SPDX-License-Identifier: MIT */
#include "net/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "net/io.h"
#include "net/fork.h"
#include "net/proctitle.h"
#include "net/signals.h"

/* A program that ends stops waiting for its reader after this time without progress. */
#define STALL_NS (500 * CLOCK_NS_PER_MS)

/* Pause before a terminal that has some room but takes nothing is tried again. */
#define RETRY_NS (10 * CLOCK_NS_PER_MS)

/* Pause before a copier tries again after "disk full". */
#define COPIER_RETRY_MS 200

#define COPIER_BUFFER_SIZE ((size_t)8 * 1024)

/* ---- reopening ---- */

/*
 * Opens the same pipe or terminal again, non-blocking, under the same number. Returns 0 or -errno.
 */
MUST_USE static int writer_reopen(int fd, const struct stat *original)
{
	char path[32];
	struct stat info;
	int master;
	if (ioctl(fd, TIOCGPTN, &master) == 0)
		return -ENXIO; /* opening a pty master would create another terminal */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int new_fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (new_fd < 0)
		return -errno;
	int rc = 0;
	/* In a chroot /proc may be something else. */
	if (fstat(new_fd, &info) < 0 || info.st_ino != original->st_ino ||
	    info.st_dev != original->st_dev)
		rc = -ENXIO;
	else if (dup2(new_fd, fd) < 0)
		rc = -errno;
	io_close(&new_fd);
	return rc;
}

/* Returns whether writing to a file may wait for another machine or program (network, FUSE). */
static bool may_stall(int fd)
{
	static const unsigned long types[] = {
		NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC,  CIFS_SUPER_MAGIC,
		SMB2_SUPER_MAGIC, FUSE_SUPER_MAGIC, CEPH_SUPER_MAGIC,
		V9FS_MAGIC,       AFS_SUPER_MAGIC,  CODA_SUPER_MAGIC,
	};
	struct statfs info;
	if (fstatfs(fd, &info) < 0)
		return true; /* a local file system never fails here */
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if ((unsigned long)info.f_type == types[i])
			return true;
	}
	return false;
}

/* ---- the copier ---- */

/* A full disk may have room later. Another program may have made the open file non-blocking. */
static bool is_worth_retrying(ssize_t code)
{
	return code == -EAGAIN || code == -ENOSPC || code == -EDQUOT || code == -EFBIG;
}

/* Writes everything to standard output. Returns 0 or -errno. */
MUST_USE static int copy_bytes(const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = io_write(STDOUT_FILENO, bytes, size);
		if (n < 0 && !is_worth_retrying(n))
			return (int)n;
		if (n < 0)
			poll(NULL, 0, COPIER_RETRY_MS);
		bytes += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/*
 * Makes this process end when the program has ended, that is when the result pipe has no reader.
 * SIGIO does that, even inside a write(2) that never returns. PR_SET_PDEATHSIG and kill(2) do not
 * work, because the server's Landlock rules forbid both.
 */
static void end_with_program(int result_fd)
{
	struct pollfd result = { .fd = result_fd };
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t others;
	sigfillset(&others); /* terminal signals are for the program, which then closes the pipe */
	sigdelset(&others, SIGIO);
	sigaction(SIGIO, &action, NULL);
	sigprocmask(SIG_SETMASK, &others, NULL);
	fcntl(result_fd, F_SETOWN, getpid());
	fcntl(result_fd, F_SETFL, O_ASYNC);
	if (io_wait(&result, 1, 0) > 0)
		_exit(0); /* it has already ended */
}

/* The main function of the child: copies standard input to standard output until the end. */
_Noreturn static void copier_main(int reader_fd, int fd, int result_fd)
{
	char bytes[COPIER_BUFFER_SIZE];
	int rc = 0;
	if (dup2(fd, STDOUT_FILENO) < 0 || dup2(reader_fd, STDIN_FILENO) < 0)
		_exit(1);
	fork_keep_only(result_fd, result_fd);
	proctitle_set("tcpecho: copying output");
	end_with_program(result_fd);
	ssize_t n;
	while (rc == 0 && (n = io_read(STDIN_FILENO, bytes, sizeof(bytes))) > 0)
		rc = copy_bytes(bytes, (size_t)n);
	if (rc < 0)
		/* the result may have no reader */
		ignore_result(io_write(result_fd, &rc, sizeof(rc)));
	_exit(0);
}

/*
 * Inserts a copier before the descriptor. Returns 0 or -errno; after a failure nothing has changed.
 */
MUST_USE static int start_copier(struct writer *writer)
{
	int reader_fd, pipe_fd, result_fd, result_writer_fd;
	int rc = io_pipe(&reader_fd, &pipe_fd);
	if (rc < 0)
		return rc;
	rc = io_pipe(&result_fd, &result_writer_fd);
	if (rc < 0)
		goto close_pipe;
	pid_t pid = fork_process();
	if (pid == 0)
		copier_main(reader_fd, writer->fd, result_writer_fd);
	rc = pid < 0 ? pid : io_set_nonblock_cloexec(pipe_fd);
	if (rc == 0 && dup2(pipe_fd, writer->fd) < 0)
		rc = -errno;
	io_close(&result_writer_fd);
	if (rc == 0) {
		writer->copier = pid;
		writer->copier_fd = result_fd;
	} else {
		/* a running copier ends too, because its pipe has no writer */
		io_close(&result_fd);
	}
close_pipe:
	io_close(&reader_fd);
	io_close(&pipe_fd);
	return rc;
}

/* ---- the writer ---- */

void writer_open(int fd, enum writer_files files, struct writer *ret_writer)
{
	struct writer writer = { .fd = fd, .copier_fd = -1, .is_terminal = isatty(fd) };
	struct stat info;
	bool is_writable = io_check_writable(fd) == 0 && fstat(fd, &info) == 0;
	writer.is_socket = is_writable && S_ISSOCK(info.st_mode);
	int rc = 0;
	if (is_writable && (S_ISFIFO(info.st_mode) || writer.is_terminal))
		rc = writer_reopen(fd, &info);
	else if (is_writable && S_ISREG(info.st_mode) && files == WRITER_LOCAL_FILES &&
		 may_stall(fd))
		rc = -EWOULDBLOCK;
	/* -ENXIO: a pipe without a reader, or a pty master. */
	if (rc < 0 && rc != -ENXIO)
		rc = start_copier(&writer);
	writer.may_wait = rc < 0;
	*ret_writer = writer;
}

/* Returns the error of a copier that has ended, 0: none. */
MUST_USE static int copier_result(const struct writer *writer)
{
	int code = 0;
	ssize_t n = io_read(writer->copier_fd, &code, sizeof(code));
	return n == (ssize_t)sizeof(code) ? code : 0;
}

static bool writer_has_room(const struct writer *writer)
{
	struct pollfd out = { .fd = writer->fd, .events = POLLOUT };
	return io_wait(&out, 1, 0) > 0;
}

ssize_t writer_write(struct writer *writer, const void *bytes, size_t size)
{
	if (writer->is_socket)
		return io_send(writer->fd, bytes, size);
	if (writer->may_wait && !writer_has_room(writer))
		return -EAGAIN;
	if (writer->may_wait)
		size = size < PIPE_BUF ? size : PIPE_BUF;
	ssize_t n = io_write(writer->fd, bytes, size);
	writer->retry_ns = 0;
	if (n == -EAGAIN && writer->is_terminal && writer_has_room(writer))
		writer->retry_ns = clock_deadline_ns(RETRY_NS);
	if (n == -EPIPE && writer->copier != 0) {
		int code = copier_result(writer);
		return code < 0 ? code : -EPIPE;
	}
	return n;
}

struct pollfd writer_pollfd(const struct writer *writer, bool wants_room)
{
	bool polls = wants_room && writer->retry_ns == 0;
	return (struct pollfd){ .fd = writer->fd, .events = polls ? POLLOUT : 0 };
}

uint64_t writer_retry_ns(const struct writer *writer, bool wants_room)
{
	return wants_room && writer->retry_ns != 0 ? writer->retry_ns : CLOCK_NEVER;
}

void writer_note_signal(struct writer_wait *wait, int signal)
{
	if (wait->ended_by != 0)
		return;
	wait->ended_by = signal;
	wait->ended_ns = clock_now_ns();
}

static bool is_new_request(const struct writer_wait *wait)
{
	return wait->ended_by == 0 || signals_is_new_request(wait->ended_ns, wait->signals_read_ns);
}

/* Time at which signals must be read again even if none has come, to detect a second request. */
static uint64_t second_signal_ns(const struct writer_wait *wait)
{
	if (wait == NULL || wait->signals_fd < 0 || is_new_request(wait))
		return CLOCK_NEVER;
	return wait->ended_ns + SIGNALS_SAME_REQUEST_NS;
}

/* Reads a pending signal, if any. Returns whether it ends the wait. from_ns: start of the wait. */
static bool is_ended_by_signal(struct writer_wait *wait, bool is_pending, uint64_t from_ns)
{
	int signal = is_pending ? signals_next(wait->signals_fd) : 0;
	if (signal == 0)
		wait->signals_read_ns = from_ns;
	if ((signal != SIGINT && signal != SIGTERM) || !is_new_request(wait))
		return false;
	wait->ended_by = signal;
	return true;
}

/* Waits for a descriptor, or until retry_ns. Returns 0, -EINTR or -errno (writer_write_all()). */
MUST_USE static int writer_wait_for(struct pollfd event, uint64_t retry_ns, uint64_t stalled_ns,
				    struct writer_wait *wait)
{
	for (;;) {
		struct pollfd fds[] = {
			event,
			{ .fd = wait != NULL ? wait->signals_fd : -1, .events = POLLIN },
		};
		uint64_t from_ns = clock_now_ns();
		uint64_t until_ns = clock_earlier_ns(retry_ns, stalled_ns);
		int ready = io_wait(fds, ARRAY_LEN(fds),
				    clock_earlier_ns(until_ns, second_signal_ns(wait)));
		if (ready < 0)
			return ready;
		if (wait != NULL && is_ended_by_signal(wait, fds[1].revents != 0, from_ns))
			return -EINTR;
		if (fds[0].revents != 0)
			return 0;
		uint64_t now_ns = ready == 0 ? clock_now_ns() : 0;
		if (now_ns >= until_ns)
			return now_ns >= stalled_ns ? -EINTR : 0;
	}
}

/* Returns the deadline by which the reader must take something. */
static uint64_t stalled_deadline_ns(const struct writer_wait *wait)
{
	return wait != NULL && wait->ended_by != 0 ? clock_deadline_ns(STALL_NS) : CLOCK_NEVER;
}

int writer_write_all(struct writer *writer, const void *bytes, size_t size,
		     struct writer_wait *wait)
{
	const char *at = bytes;
	uint64_t stalled_ns = stalled_deadline_ns(wait);
	while (size > 0) {
		ssize_t n = writer_write(writer, at, size);
		if (n < 0 && n != -EAGAIN)
			return (int)n;
		if (n > 0) {
			at += n;
			size -= (size_t)n;
			stalled_ns = stalled_deadline_ns(wait);
			continue;
		}
		int rc = writer_wait_for(writer_pollfd(writer, true), writer_retry_ns(writer, true),
					 stalled_ns, wait);
		if (rc < 0)
			return rc;
	}
	return 0;
}

enum exit_status writer_status(int code, const char *what, const struct writer_wait *wait)
{
	if (code == -EPIPE)
		return status_of_signal(SIGPIPE);
	if (code == -EINTR && wait != NULL && wait->ended_by != 0)
		return status_of_signal(wait->ended_by);
	log_error("cannot write %.300s: %s", strcmp(what, "-") == 0 ? "standard output" : what,
		  err_text(code).text);
	return STATUS_MACHINE;
}

int writer_finish(struct writer *writer, struct writer_wait *wait)
{
	if (writer->copier == 0)
		return 0;
	/* Ends the pipe. The descriptor number stays in use, because it may be standard output. */
	if (dup2(writer->copier_fd, writer->fd) < 0)
		return -errno;
	struct pollfd result = { .fd = writer->copier_fd, .events = POLLIN };
	int rc = writer_wait_for(result, CLOCK_NEVER, stalled_deadline_ns(wait), wait);
	if (rc == 0)
		rc = copier_result(writer);
	io_close(&writer->copier_fd);
	writer->copier = 0;
	return rc;
}

/* ---- the log ---- */

/*
 * Returns whether a file ends with an unfinished line at the next write position. A killed server,
 * or a full disk, can cause that. A file that cannot be read counts as complete.
 */
static bool ends_within_line(int fd)
{
	char path[32], last = '\n';
	struct stat info;
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode))
		return false;
	off_t at = (flags & O_APPEND) != 0 ? info.st_size : lseek(fd, 0, SEEK_CUR);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int reader = at > 0 ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;
	bool is_read = reader >= 0 && pread(reader, &last, 1, at - 1) == 1;
	io_close(&reader);
	return is_read && last != '\n';
}

void writer_open_log(struct writer *ret_writer)
{
	if (ends_within_line(STDERR_FILENO))
		log_start_after_cut_line();
	writer_open(STDERR_FILENO, WRITER_LOCAL_FILES, ret_writer);
	if (!ret_writer->may_wait)
		log_unblock(ret_writer->is_socket);
}

void writer_close_log(struct writer *writer)
{
	struct writer_wait wait = { .signals_fd = -1, .ended_by = SIGTERM };
	log_close();
	ignore_result(writer_finish(writer, &wait)); /* no log is left to report lost lines */
}
