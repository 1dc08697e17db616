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

/* What is read from a descriptor: by the server, and by a client that reports when it is ended. */
static const int read_by_server[] = { SIGCHLD, SIGINT, SIGTERM, SIGUSR1 };
static const int read_by_meter[] = { SIGINT, SIGTERM, SIGQUIT };

static void dispose(int signal, void (*how)(int))
{
	struct sigaction action = { .sa_handler = how };
	int failed = sigaction(signal, &action, NULL);
	assert(!failed); /* only for a signal number that does not exist */
}

/* The mask is inherited over fork and exec: whoever started us may have blocked anything. */
static void set_mask(const int *signals, size_t n)
{
	sigset_t mask;
	sigemptyset(&mask);
	for (size_t i = 0; i < n; i++)
		sigaddset(&mask, signals[i]);
	int failed = sigprocmask(SIG_SETMASK, &mask, NULL);
	assert(!failed);
}

void signals_setup_client(void)
{
	dispose(SIGPIPE, SIG_IGN);
	set_mask(NULL, 0);
}

MUST_USE static int open_reader(const int *signals, size_t n)
{
	sigset_t heard;
	sigemptyset(&heard);
	dispose(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < n; i++) {
		/* Ignored, a signal would be thrown away before we could read it. */
		dispose(signals[i], SIG_DFL);
		sigaddset(&heard, signals[i]);
	}
	set_mask(signals, n);

	int fd = signalfd(-1, &heard, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int signals_setup_server(void)
{
	return open_reader(read_by_server, ARRAY_LEN(read_by_server));
}

int signals_setup_meter(void)
{
	return open_reader(read_by_meter, ARRAY_LEN(read_by_meter));
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
	_exit(128 + signal); /* a signal whose default is not to end us */
}
