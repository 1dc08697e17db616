/* SPDX-License-Identifier: MIT */
#include "net/signals.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "net/io.h"

/* Signals read from a descriptor by the server, and by a client that reports at its end. */
static const int read_by_server[] = { SIGCHLD, SIGINT, SIGTERM, SIGUSR1 };
static const int read_by_meter[] = { SIGINT, SIGTERM, SIGQUIT };

/* Signals for which process 1 has a handler. */
static const int fatal[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

static void dispose(int signal, void (*how)(int))
{
	struct sigaction action = { .sa_handler = how };
	int failed = sigaction(signal, &action, NULL);
	assert(!failed); /* fails only for an invalid signal number */
}

/* The mask is inherited over fork and exec, so the calling program may have blocked any signal. */
static void set_mask(const int *signals, size_t n)
{
	sigset_t mask;
	sigemptyset(&mask);
	for (size_t i = 0; i < n; i++)
		sigaddset(&mask, signals[i]);
	int failed = sigprocmask(SIG_SETMASK, &mask, NULL);
	assert(!failed);
}

static bool is_ignored(int signal)
{
	struct sigaction action;
	int failed = sigaction(signal, NULL, &action);
	assert(!failed);
	return action.sa_handler == SIG_IGN;
}

/* The only handler of the program. Its only call is async-signal-safe (signal-safety(7)). */
static void end_process_1(int signal)
{
	_exit(128 + signal);
}

void signals_setup_writing(void)
{
	dispose(SIGPIPE, SIG_IGN);
	dispose(SIGXFSZ, SIG_IGN);
}

void signals_setup_program(void)
{
	set_mask(NULL, 0);
	signals_setup_writing();
	for (size_t i = 0; getpid() == 1 && i < ARRAY_LEN(fatal); i++) {
		if (!is_ignored(fatal[i]))
			dispose(fatal[i], end_process_1);
	}
}

void signals_setup_client(void)
{
	signals_setup_writing();
}

/* Blocks the signals and opens a descriptor to read them. */
MUST_USE static int open_reader(const int *signals, size_t n)
{
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < n; i++)
		sigaddset(&set, signals[i]);
	set_mask(signals, n);

	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int signals_setup_server(void)
{
	signals_setup_writing();
	dispose(SIGTTOU, SIG_IGN);
	/* Even if they were ignored at start: a service must end on TERM, whatever started it. */
	for (size_t i = 0; i < ARRAY_LEN(read_by_server); i++)
		dispose(read_by_server[i], SIG_DFL);
	return open_reader(read_by_server, ARRAY_LEN(read_by_server));
}

int signals_setup_meter(void)
{
	int signals[ARRAY_LEN(read_by_meter)];
	size_t n = 0;
	signals_setup_writing();
	for (size_t i = 0; i < ARRAY_LEN(read_by_meter); i++) {
		if (!is_ignored(read_by_meter[i]))
			signals[n++] = read_by_meter[i];
	}
	return open_reader(signals, n);
}

void signals_unblock(sigset_t *ret_blocked)
{
	sigset_t none;
	sigemptyset(&none);
	int failed = sigprocmask(SIG_SETMASK, &none, ret_blocked);
	assert(!failed);
}

void signals_block(const sigset_t *blocked)
{
	int failed = sigprocmask(SIG_SETMASK, blocked, NULL);
	assert(!failed);
}

int signals_next(int signals_fd)
{
	struct signalfd_siginfo info;
	ssize_t n = io_read(signals_fd, &info, sizeof(info));
	return n == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}

bool signals_is_end_pending(void)
{
	sigset_t pending;
	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1);
}

struct signal_name signals_name(int signal)
{
	struct signal_name out;
	const char *name = sigabbrev_np(signal);
	if (name != NULL)
		snprintf(out.text, sizeof(out.text), "SIG%s", name);
	else
		snprintf(out.text, sizeof(out.text), "signal %d", signal);
	return out;
}

void signals_die_of(int signal)
{
	dispose(signal, SIG_DFL);
	set_mask(NULL, 0);
	raise(signal);
	_exit(128 + signal); /* reached if the signal's default does not end the process */
}
