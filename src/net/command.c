/* SPDX-License-Identifier: MIT */
#include "net/command.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/fork.h"
#include "net/io.h"

extern char **environ;

/* ---- start and end ---- */

/*
 * Reads the number of the session, waits for the end of this program, and kills the session. A byte
 * means that all is well. It keeps nothing else open: the end of a pipe has to show when this
 * program closes it.
 */
_Noreturn static void guard_session(int fd)
{
	char byte;
	pid_t session;
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	dup2(fd, STDIN_FILENO);
	close_range(STDIN_FILENO + 1, ~0U, 0);
	if (io_read(STDIN_FILENO, &session, sizeof(session)) == sizeof(session) &&
	    io_read(STDIN_FILENO, &byte, 1) == 0)
		kill(-session, SIGKILL);
	_exit(0);
}

MUST_USE static int start_guard(struct command_run *run)
{
	int reader, writer;
	int rc = io_pipe(&reader, &writer);
	if (rc < 0)
		return rc;
	pid_t pid = fork_process();
	if (pid == 0) {
		setsid();
		guard_session(reader);
	}
	io_close(&reader);
	if (pid < 0) {
		io_close(&writer);
		return (int)pid;
	}
	run->guard = pid;
	run->guard_pipe = writer;
	return 0;
}

/* Starts the shell: in a new session, with default dispositions and no blocked signal. */
MUST_USE static int spawn_shell(const char *words, pid_t *ret_pid)
{
	char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, strdup(words), NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	if (argv[2] == NULL)
		return -ENOMEM;
	sigemptyset(&none);
	sigfillset(&all);
	int rc = -posix_spawn_file_actions_init(&actions);
	if (rc == 0) {
		rc = -posix_spawnattr_init(&attributes);
		if (rc == 0) {
			posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID |
								      POSIX_SPAWN_SETSIGMASK |
								      POSIX_SPAWN_SETSIGDEF);
			posix_spawnattr_setsigmask(&attributes, &none);
			posix_spawnattr_setsigdefault(&attributes, &all);
			rc = -posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
							       O_RDONLY, 0);
			if (rc == 0)
				rc = -posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO,
								       STDOUT_FILENO);
			if (rc == 0)
				rc = -posix_spawn(ret_pid, "/bin/sh", &actions, &attributes, argv,
						  environ);
			posix_spawnattr_destroy(&attributes);
		}
		posix_spawn_file_actions_destroy(&actions);
	}
	free(argv[2]);
	return rc;
}

int command_start(const char *words, struct command_run *ret_run)
{
	*ret_run = (struct command_run){ .guard_pipe = -1 };
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	int rc = start_guard(ret_run);
	if (rc == 0)
		rc = spawn_shell(words, &ret_run->pid);
	if (rc == 0)
		ignore_result(io_write(ret_run->guard_pipe, &ret_run->pid, sizeof(ret_run->pid)));
	else
		command_end(ret_run);
	return rc;
}

bool command_has_ended(struct command_run *run)
{
	int status;
	if (!run->has_ended && run->pid != 0 && waitpid(run->pid, &status, WNOHANG) == run->pid) {
		run->has_ended = true;
		run->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
	return run->has_ended;
}

#define END_STEP_NS (2 * CLOCK_NS_PER_MS)
#define END_STEPS   1000

void command_end(struct command_run *run)
{
	static struct command_process list[COMMAND_PROCESSES_MAX];
	if (run->guard != 0) {
		ignore_result(io_write(run->guard_pipe, "", 1)); /* an empty pipe has room */
		io_close(&run->guard_pipe);
	}
	for (int i = 0; i < END_STEPS && run->pid != 0; i++) {
		size_t n = command_list(run, list), n_alive = 0;
		for (size_t k = 0; k < n; k++) {
			n_alive += !list[k].is_zombie;
			kill(list[k].pid, SIGKILL);
		}
		if (command_has_ended(run) && n_alive == 0)
			break;
		clock_sleep_until(clock_deadline_ns(END_STEP_NS));
	}
	run->pid = run->guard = 0;
}

/* ---- processes ---- */

struct stat_line {
	char state;
	pid_t parent, session;
	uint64_t ticks; /* user and system time */
};

/* Reads /proc/PID/stat (proc(5)). The name in it may contain spaces and parentheses. */
static bool read_stat(pid_t pid, struct stat_line *ret_line)
{
	char path[64], line[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *file = fopen(path, "re");
	size_t n = file != NULL ? fread(line, 1, sizeof(line) - 1, file) : 0;
	if (file != NULL)
		fclose(file);
	line[n] = '\0';
	char *at = strrchr(line, ')');
	if (at == NULL || strlen(at) < 4)
		return false;
	ret_line->state = at[2];
	at += 3;
	for (int field = 4; field <= 15; field++) {
		long long value = strtoll(at, &at, 10);
		if (field == 4)
			ret_line->parent = (pid_t)value;
		else if (field == 6)
			ret_line->session = (pid_t)value;
		else if (field >= 14)
			ret_line->ticks += (uint64_t)value;
	}
	return true;
}

static bool is_listed(const struct command_process *list, size_t n, pid_t pid)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].pid == pid)
			return true;
	}
	return false;
}

size_t command_list(const struct command_run *run,
		    struct command_process ret_list[COMMAND_PROCESSES_MAX])
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	size_t n = 0;
	uint64_t tick_ns = CLOCK_NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	while (directory != NULL && n < COMMAND_PROCESSES_MAX &&
	       (entry = readdir(directory)) != NULL) {
		struct stat_line line = { 0 };
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (pid <= 0 || pid == run->guard || !read_stat(pid, &line))
			continue;
		if (line.session != run->pid && line.parent != getpid() &&
		    !is_listed(ret_list, n, line.parent))
			continue;
		ret_list[n++] = (struct command_process){
			.pid = pid,
			.parent = line.parent,
			.is_zombie = line.state == 'Z' || line.state == 'X',
			.cpu_ns = line.ticks * tick_ns,
		};
	}
	if (directory != NULL)
		closedir(directory);
	return n;
}

struct command_descriptors command_descriptors(pid_t pid)
{
	struct command_descriptors found = { -1, -1 };
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *directory = opendir(path);
	struct dirent *entry;
	if (directory == NULL)
		return found;
	found.n = 0;
	while ((entry = readdir(directory)) != NULL) {
		int fd = (int)strtol(entry->d_name, NULL, 10);
		if (entry->d_name[0] == '.')
			continue;
		found.n++;
		found.highest = fd > found.highest ? fd : found.highest;
	}
	closedir(directory);
	return found;
}

uint64_t command_memory(pid_t pid)
{
	char path[64], line[256];
	uint64_t kib = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "RssAnon:", 8) == 0)
			kib = strtoull(line + 8, NULL, 10);
	}
	if (file != NULL)
		fclose(file);
	return kib * 1024;
}

bool command_same_program(pid_t a, pid_t b)
{
	char path[64], programs[2][PATH_MAX];
	const pid_t pids[2] = { a, b };
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/exe", pids[i]);
		ssize_t n = readlink(path, programs[i], sizeof(programs[i]) - 1);
		if (n <= 0)
			return false;
		programs[i][n] = '\0';
	}
	return strcmp(programs[0], programs[1]) == 0;
}
