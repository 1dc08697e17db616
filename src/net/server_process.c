/* SPDX-License-Identifier: MIT */
#include "net/server_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/fork.h"
#include "net/io.h"

/* The keeper reaps processes this often, and waits this long after TERM. */
#define REAP_MS  20
#define TERM_NS  CLOCK_NS_PER_S
#define KILL_NS  (5 * CLOCK_NS_PER_S)
#define PAUSE_NS (20 * CLOCK_NS_PER_MS)

/* ---- descendants of a process ---- */

struct process_row {
	pid_t pid, parent;
	char state;
	bool is_found;
	uint64_t ticks;
};

/* Processes of this machine that are looked at. */
#define ROWS_MAX ((size_t)16384)

/* Reads /proc/PID/stat. Returns false if the process is gone. */
static bool read_process_row(const char *name, struct process_row *ret_row)
{
	char path[300], text[1024];
	snprintf(path, sizeof(path), "/proc/%s/stat", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = io_read(fd, text, sizeof(text) - 1);
	io_close(&fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* The name of the program is in parentheses and may contain any character. */
	const char *rest = strrchr(text, ')');
	struct process_row row = { .pid = (pid_t)strtol(name, NULL, 10) };
	uint64_t user = 0, kernel = 0;
	if (rest == NULL ||
	    sscanf(rest + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
		   &row.state, &row.parent, &user, &kernel) != 4)
		return false;
	row.ticks = user + kernel;
	*ret_row = row;
	return true;
}

/* Marks the descendants of a process. */
static void mark_descendants(pid_t root, struct process_row *rows, size_t n)
{
	bool has_changed = true;
	while (has_changed) {
		has_changed = false;
		for (size_t i = 0; i < n; i++) {
			bool is_child = rows[i].parent == root;
			for (size_t k = 0; k < n && !is_child; k++)
				is_child = rows[k].is_found && rows[k].pid == rows[i].parent;
			has_changed = has_changed || (is_child && !rows[i].is_found);
			rows[i].is_found = is_child;
		}
	}
}

/* Returns the number of rows of *ret_rows, which the caller frees, or -errno. */
MUST_USE static ssize_t find_descendants(pid_t root, struct process_row **ret_rows)
{
	struct process_row *rows = calloc(ROWS_MAX, sizeof(*rows));
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	size_t n = 0, n_found = 0;
	if (rows == NULL || proc == NULL) {
		int saved_errno = rows == NULL ? ENOMEM : errno;
		free(rows);
		if (proc != NULL)
			closedir(proc);
		return -saved_errno;
	}
	while (n < ROWS_MAX && (entry = readdir(proc)) != NULL) {
		if (strspn(entry->d_name, "0123456789") == strlen(entry->d_name))
			n += read_process_row(entry->d_name, &rows[n]);
	}
	closedir(proc);
	mark_descendants(root, rows, n);
	for (size_t i = 0; i < n; i++) {
		if (rows[i].is_found)
			rows[n_found++] = rows[i];
	}
	*ret_rows = rows;
	return (ssize_t)n_found;
}

/* ---- the keeper ---- */

_Noreturn static void exec_server(const char *command, int output_fd)
{
	const struct sigaction by_default = { .sa_handler = SIG_DFL };
	sigset_t none;
	sigemptyset(&none);
	sigaction(SIGPIPE, &by_default, NULL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(output_fd, STDOUT_FILENO) >= 0 &&
	    dup2(output_fd, STDERR_FILENO) >= 0)
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static void signal_descendants(int signal_number)
{
	struct process_row *rows;
	ssize_t n = find_descendants(getpid(), &rows);
	for (ssize_t i = 0; i < n; i++)
		kill(rows[i].pid, signal_number);
	if (n >= 0)
		free(rows);
}

/* Reaps all children that have ended. Returns whether any child is left. */
static bool reap_ended(void)
{
	pid_t pid;
	do
		pid = waitpid(-1, NULL, WNOHANG);
	while (pid > 0);
	return pid == 0;
}

static void end_descendants(void)
{
	uint64_t kill_ns = clock_deadline_ns(TERM_NS);
	uint64_t until_ns = clock_after_ns(kill_ns, KILL_NS);
	signal_descendants(SIGTERM);
	signal_descendants(SIGCONT);
	while (reap_ended() && clock_now_ns() < until_ns) {
		if (clock_now_ns() >= kill_ns)
			signal_descendants(SIGKILL);
		clock_sleep_until(clock_deadline_ns(PAUSE_NS));
	}
}

/* Starts the command for each byte that comes, and answers with its pid, until the end. */
_Noreturn static void keeper_main(const char *command, int fd, int output_fd)
{
	struct pollfd request = { .fd = fd, .events = POLLIN };
	char byte;
	setsid();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (;;) {
		reap_ended();
		if (poll(&request, 1, REAP_MS) <= 0)
			continue;
		if (recv(fd, &byte, 1, 0) != 1)
			break;
		pid_t pid = fork_process();
		if (pid == 0)
			exec_server(command, output_fd);
		if (send(fd, &pid, sizeof(pid), MSG_NOSIGNAL) != (ssize_t)sizeof(pid))
			break;
	}
	end_descendants();
	_exit(0);
}

/* ---- starting ---- */

/* Returns the command with {port} replaced, which the caller frees, or NULL. */
static char *put_port(const char *command, uint16_t port)
{
	static const char mark[] = "{port}";
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		return NULL;
	for (const char *at; (at = strstr(command, mark)) != NULL; command = at + strlen(mark))
		fprintf(stream, "%.*s%u", (int)(at - command), command, port);
	fprintf(stream, "%s", command);
	if (fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}

MUST_USE static int find_free_port(int family, struct addr *ret_addr)
{
	struct addr addr = addr_wildcard(family, 0);
	if (family == AF_INET6)
		addr.v6.sin6_addr = in6addr_loopback;
	else
		addr.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = fd < 0 || bind(fd, &addr.any, addr.len) < 0 ? -errno : 0;
	if (rc == 0)
		rc = addr_of_socket(fd, ret_addr);
	io_close(&fd);
	return rc;
}

int server_process_restart(struct server_process *process)
{
	pid_t pid;
	if (send(process->keeper_fd, "", 1, MSG_NOSIGNAL) < 0)
		return -errno;
	ssize_t n = recv(process->keeper_fd, &pid, sizeof(pid), 0);
	if (n != (ssize_t)sizeof(pid))
		return n < 0 ? -errno : -ECHILD;
	if (pid < 0)
		return pid;
	process->pid = pid;
	return 0;
}

int server_process_start(const char *command, int family, struct server_process *ret_process)
{
	struct server_process process = { .keeper_fd = -1, .output_fd = -1 };
	int fds[2];
	int rc = find_free_port(family, &process.addr);
	if (rc < 0)
		return rc;
	char *text = put_port(command, addr_port(&process.addr));
	if (text == NULL)
		return -ENOMEM;
	process.output_fd = memfd_create("output", MFD_CLOEXEC);
	if (process.output_fd < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		rc = -errno;
		goto free_text;
	}
	process.keeper = fork_process();
	if (process.keeper == 0) {
		close(fds[0]);
		keeper_main(text, fds[1], process.output_fd);
	}
	close(fds[1]);
	process.keeper_fd = fds[0];
	rc = process.keeper < 0 ? process.keeper : server_process_restart(&process);
free_text:
	free(text);
	if (rc < 0)
		server_process_end(&process);
	else
		*ret_process = process;
	return rc;
}

/* Tries to connect. Returns 0 or -errno. */
MUST_USE static int try_server(const struct addr *addr)
{
	struct addr local;
	int fd = socket(addr->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int rc = connect(fd, &addr->any, addr->len) < 0 ? -errno : 0;
	/* A free port may be chosen as the local one: then it is connected to itself. */
	if (rc == 0 && addr_of_socket(fd, &local) == 0 && addr_equal(&local, addr))
		rc = -ECONNREFUSED;
	io_close(&fd);
	return rc;
}

int server_process_await(const struct server_process *process, int wake_fd, uint64_t deadline_ns)
{
	struct pollfd wake = { .fd = wake_fd, .events = POLLIN };
	for (;;) {
		uint64_t pause_ns = clock_deadline_ns(PAUSE_NS);
		if (!server_process_is_running(process))
			return -ECHILD;
		if (try_server(&process->addr) == 0)
			return 0;
		if (clock_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		if (io_wait(&wake, 1, clock_earlier_ns(deadline_ns, pause_ns)) > 0)
			return -EINTR;
	}
}

/* ---- observing ---- */

bool server_process_is_running(const struct server_process *process)
{
	char name[16];
	struct process_row row;
	snprintf(name, sizeof(name), "%d", process->pid);
	return read_process_row(name, &row) && row.state != 'Z';
}

static size_t count_descriptors(pid_t pid)
{
	char path[40];
	size_t n = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *dir = opendir(path);
	if (dir == NULL)
		return 0;
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

int server_process_view(const struct server_process *process, struct server_view *ret_view)
{
	struct server_view view = { 0 };
	struct process_row *rows;
	uint64_t tick_ns = CLOCK_NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	ssize_t n = find_descendants(process->keeper, &rows);
	if (n < 0)
		return (int)n;
	for (ssize_t i = 0; i < n; i++) {
		view.cpu_ns += rows[i].ticks * tick_ns;
		if (rows[i].state == 'Z') {
			view.n_zombies++;
			continue;
		}
		view.n_processes++;
		view.n_descriptors += count_descriptors(rows[i].pid);
		if (rows[i].pid != process->pid && rows[i].pid > view.child)
			view.child = rows[i].pid;
	}
	free(rows);
	*ret_view = view;
	return 0;
}

int server_process_limit_fds(const struct server_process *process, uint64_t n_fds)
{
	struct process_row *rows;
	ssize_t n = find_descendants(process->keeper, &rows);
	int rc = n < 0 ? (int)n : 0;
	for (ssize_t i = 0; i < n && rc == 0; i++) {
		struct rlimit limit;
		if (prlimit(rows[i].pid, RLIMIT_NOFILE, NULL, &limit) < 0)
			continue; /* the process has ended */
		limit.rlim_cur = n_fds;
		if (prlimit(rows[i].pid, RLIMIT_NOFILE, &limit, NULL) < 0 && errno != ESRCH)
			rc = -errno;
	}
	if (n >= 0)
		free(rows);
	return rc;
}

struct server_output server_process_output(const struct server_process *process)
{
	struct server_output output = { .text = "" };
	off_t size = lseek(process->output_fd, 0, SEEK_CUR);
	off_t room = (off_t)sizeof(output.text) - 1;
	off_t from = size > room ? size - room : 0;
	ssize_t n = pread(process->output_fd, output.text, (size_t)room, from);
	while (n > 0 && output.text[n - 1] == '\n')
		n--;
	output.text[n > 0 ? n : 0] = '\0';
	return output;
}

void server_process_end(struct server_process *process)
{
	io_close(&process->keeper_fd);
	if (process->keeper > 0)
		ignore_result(fork_wait_child(process->keeper));
	io_close(&process->output_fd);
	process->keeper = 0;
}
