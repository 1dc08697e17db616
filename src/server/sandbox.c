/* SPDX-License-Identifier: MIT */
#include "server/sandbox.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "net/landlock.h"
#include "net/privileges.h"
#include "server/listen_drain.h"

/* System calls that some architectures lack. */
#ifdef __NR_poll
#define CALL_POLL __NR_poll
#else
#define CALL_POLL __NR_ppoll /* used by poll(3) of the C library there */
#endif
#ifdef __NR_epoll_wait
#define CALL_EPOLL_WAIT __NR_epoll_wait
#else
#define CALL_EPOLL_WAIT __NR_epoll_pwait
#endif

/* Not a system call: strace(1) sets this number to inject an error. */
#define CALL_NONE (-1)

/*
 * Rules for calls that are restricted by their arguments. docs/SANDBOX.md lists for each call what
 * is refused and why.
 */

/* ioctl(2) by its request: on a terminal, another request could insert commands for its user. */
#define IOCTL(request)                                                     \
	{                                                                  \
		.call = __NR_ioctl, .checks = { SECCOMP_IS(1, (request)) } \
	}

/* Socket options by level and name. */
#define GETSOCKOPT(level, name)                      \
	{                                            \
		.call = __NR_getsockopt, .checks = { \
			SECCOMP_IS(1, (level)),      \
			SECCOMP_IS(2, (name))        \
		}                                    \
	}
#define SETSOCKOPT(level, name)                      \
	{                                            \
		.call = __NR_setsockopt, .checks = { \
			SECCOMP_IS(1, (level)),      \
			SECCOMP_IS(2, (name))        \
		}                                    \
	}

/* Calls of session_run(), and of the end of a child. Ordered by frequency. */
static const struct seccomp_rule child_rules[] = {
	{ .call = __NR_recvfrom },
	{ .call = __NR_sendto },
	{ .call = CALL_POLL },
	{ .call = __NR_shutdown },
	IOCTL(SIOCOUTQ),                  /* io_unacknowledged() */
	GETSOCKOPT(SOL_SOCKET, SO_ERROR), /* io_pending_error() */
	{ .call = __NR_exit_group },
	{ .call = __NR_clock_gettime },   /* if only the kernel can read the clock */
	{ .call = __NR_restart_syscall }, /* a poll continues after SIGSTOP and SIGCONT */
	{ .call = CALL_NONE },
};

/* Accepting and serving clients, and logging. Part of the filters of servers and workers. */
static const struct seccomp_rule serving_rules[] = {
	{ .call = __NR_recvfrom },
	{ .call = __NR_sendto },
	{ .call = CALL_POLL },
	{ .call = __NR_accept4 },
	{ .call = __NR_close },
	{ .call = __NR_write },
	{ .call = __NR_clock_gettime },
	{ .call = __NR_restart_syscall },
	{ .call = __NR_listen }, /* listen_stop(), listen_resume() */
	{ .call = __NR_pread64,
	  .checks = { SECCOMP_AT_MIN(0, STDERR_FILENO + 1) } }, /* oom_is_near() */
	/* Not 0 to 2: on a terminal all three can be read, and return what its user types. */
	{ .call = __NR_read, .checks = { SECCOMP_AT_MIN(0, STDERR_FILENO + 1) } },
	/* Not SHUT_RD: a listening TCP socket would end for all workers. It could then connect. */
	{ .call = __NR_shutdown, .checks = { SECCOMP_IS(1, SHUT_WR) } },
	IOCTL(SIOCOUTQ),
	GETSOCKOPT(SOL_SOCKET, SO_ERROR),
	GETSOCKOPT(SOL_SOCKET, SO_PEERCRED),   /* peer_of() */
	GETSOCKOPT(SOL_SOCKET, SO_MEMINFO),    /* listen_was_overrun() */
	SETSOCKOPT(SOL_SOCKET, SO_RCVTIMEO),   /* accept_client() */
	SETSOCKOPT(IPPROTO_TCP, TCP_KEEPIDLE), /* sockopt_spread_keepalive() */
	SETSOCKOPT(IPPROTO_TCP, TCP_KEEPINTVL),
	SETSOCKOPT(IPPROTO_IP, IP_MINTTL), /* listen_release(), listen_stop() */
	SETSOCKOPT(IPPROTO_IPV6, IPV6_MINHOPCOUNT),
	/* addr_format(): the zone of a link-local client. This socket cannot be connected. */
	{ .call = __NR_socket,
	  .checks = { SECCOMP_IS(0, AF_UNIX), SECCOMP_IS(1, SOCK_STREAM | SOCK_CLOEXEC) } },
	IOCTL(SIOCGIFNAME),
	/* memory for malloc(3); no files, not executable */
	{ .call = __NR_brk },
	{ .call = __NR_mmap,
	  .checks = { SECCOMP_BITS(2, ~(PROT_READ | PROT_WRITE), 0),
		      SECCOMP_BITS(3, MAP_ANONYMOUS, MAP_ANONYMOUS) } },
	{ .call = __NR_munmap },
	{ .call = __NR_mprotect, .checks = { SECCOMP_BITS(2, ~(PROT_READ | PROT_WRITE), 0) } },
	{ .call = __NR_madvise, .checks = { SECCOMP_IS(2, MADV_DONTNEED) } },
	/* the end, and messages of abort(3); for tgkill(2) see TGKILL_SELF() */
	{ .call = __NR_rt_sigaction },
	{ .call = __NR_rt_sigprocmask },
	{ .call = __NR_rt_sigpending }, /* log_error() */
	{ .call = __NR_getpid },
	{ .call = __NR_gettid },
	{ .call = __NR_writev },
	{ .call = __NR_exit_group },
};

/* Starting, ending and reaping processes, and their calls before they install their own filter. */
static const struct seccomp_rule process_rules[] = {
	/* fork(2), or clone(2) with the signal only: no namespace, no shared memory */
	{ .call = __NR_clone,
	  .checks = { SECCOMP_BITS(0, ~(CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID), SIGCHLD) } },
	{ .call = __NR_wait4 },
	/* One process, not a group. Landlock restricts this to our own processes (Linux 6.12). */
	{ .call = __NR_kill, .checks = { SECCOMP_BITS(0, INT32_MIN, 0), SECCOMP_IS(1, SIGKILL) } },
	{ .call = __NR_kill, .checks = { SECCOMP_BITS(0, INT32_MIN, 0), SECCOMP_IS(1, SIGCONT) } },
	{ .call = __NR_tgkill, .checks = { SECCOMP_IS(2, SIGABRT) } }, /* abort(3) of a child */
	{ .call = __NR_pipe2, .checks = { SECCOMP_IS(1, O_CLOEXEC) } },
	{ .call = __NR_close_range },
	{ .call = __NR_madvise,
	  .checks = { SECCOMP_IS(2, MADV_DONTFORK) } }, /* shm_hide_from_children() */
	/* Reading our own limits only. */
	{ .call = __NR_prlimit64, .checks = { SECCOMP_IS(0, 0), SECCOMP_IS_NULL(2) } },
	/* Filters may be added, nothing else. */
	{ .call = __NR_seccomp,
	  .checks = { SECCOMP_IS(0, SECCOMP_SET_MODE_FILTER), SECCOMP_IS(1, 0) } },
};

/* Stopping new connections (net/listen.h), in the process that reads the signals. */
static const struct seccomp_rule stopping_rules[] = {
	SETSOCKOPT(SOL_SOCKET, SO_BINDTOIFINDEX),
};

/*
 * The same for unix sockets. The rules contain their descriptor numbers, and no listening TCP
 * socket can get one of these numbers.
 */
static size_t shutting_rules(const struct listeners *listeners,
			     struct seccomp_rule ret_rules[LISTENERS_MAX])
{
	size_t n = 0;
	for (size_t i = 0; i < listeners->n; i++) {
		const struct listener *listener = &listeners->list[i];
		if (listen_drain_needs_accept(listener))
			ret_rules[n++] = (struct seccomp_rule){
				.call = __NR_shutdown,
				.checks = { SECCOMP_IS(0, listener->fd), SECCOMP_IS(1, SHUT_RD) },
			};
	}
	return n;
}

/* Waiting for many clients, and locks: for workers, so also for servers with workers. */
#define FUTEX(operation)                                                                           \
	{                                                                                          \
		.call = __NR_futex, .checks = {                                                    \
			SECCOMP_BITS(1, ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME), (operation)) \
		}                                                                                  \
	}
static const struct seccomp_rule worker_rules[] = {
	{ .call = CALL_EPOLL_WAIT }, { .call = __NR_epoll_ctl }, FUTEX(FUTEX_WAIT),
	FUTEX(FUTEX_WAKE),           FUTEX(FUTEX_WAIT_BITSET),
};

/*
 * Passing connections from the supervisor to workers (server/workers/dispatch.h): the supervisor's
 * calls.
 */
static const struct seccomp_rule passing_rules[] = {
	{ .call = __NR_sendmsg, .checks = { SECCOMP_IS(2, MSG_NOSIGNAL) } },
	{ .call = __NR_socketpair,
	  .checks = { SECCOMP_IS(0, AF_UNIX),
		      SECCOMP_IS(1, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC),
		      SECCOMP_IS(2, 0) } },
};

/* The worker's calls. */
static const struct seccomp_rule taking_rules[] = {
	{ .call = __NR_recvmsg, .checks = { SECCOMP_IS(2, MSG_CMSG_CLOEXEC) } },
	/* Not 0 to 2, which may not be read (above). */
	{ .call = __NR_dup, .checks = { SECCOMP_AT_MIN(0, STDERR_FILENO + 1) } },
};

/* Calls that only opening a worker needs. */
static const struct seccomp_rule opening_rules[] = {
	{ .call = __NR_epoll_create1 },
	{ .call = __NR_eventfd2 },
	{ .call = __NR_set_robust_list },
};

/*
 * Threads of a worker: pthread_create(3) and the end of a thread. clone3(2) fails, because a filter
 * cannot read its flags.
 */
#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
#define THREAD_DETAILS                                                             \
	(CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | \
	 CLONE_CHILD_CLEARTID)
static const struct seccomp_rule thread_rules[] = {
	{ .call = __NR_clone, .checks = { SECCOMP_BITS(0, ~THREAD_DETAILS, THREAD_FLAGS) } },
	{ .call = __NR_set_robust_list },
	{ .call = __NR_rseq },
	{ .call = __NR_sched_getaffinity, .checks = { SECCOMP_IS(0, 0) } },
	{ .call = __NR_exit },
};

/* A ring that is open. A worker cannot open another one, which would have no restrictions. */
static const struct seccomp_rule ring_rules[] = {
	{ .call = __NR_io_uring_enter },
};

/* Opening a ring with its restrictions (net/uring.h). */
static const struct seccomp_rule ring_opening_rules[] = {
	{ .call = __NR_io_uring_setup },
	{ .call = __NR_io_uring_register },
	{ .call = __NR_mmap,
	  .checks = { SECCOMP_IS(2, PROT_READ | PROT_WRITE),
		      SECCOMP_IS(3, MAP_SHARED | MAP_POPULATE) } },
};

/* Faults on request: io_reset_on_close(), and the port of a client. */
static const struct seccomp_rule fault_rules[] = {
	SETSOCKOPT(SOL_SOCKET, SO_LINGER),
	{ .call = __NR_getsockname },
};

/* Removing the paths of unix listening sockets; Landlock allows this only in their directories. */
static const struct seccomp_rule path_rules[] = {
#ifdef __NR_newfstatat
	{ .call = __NR_newfstatat },
#endif
#ifdef __NR_unlink
	{ .call = __NR_unlink },
#endif
	{ .call = __NR_unlinkat, .checks = { SECCOMP_IS(2, 0) } },
};

bool sandbox_is_built_in(void)
{
	return TCPECHO_SANDBOX;
}

/* Returns the directory of a path. */
static const char *directory_of(const char *path, char *directory, size_t size)
{
	const char *slash = strrchr(path, '/');
	if (slash == NULL)
		return ".";
	int length = slash == path ? 1 : (int)(slash - path);
	snprintf(directory, size, "%.*s", length, path);
	return directory;
}

MUST_USE static int restrict_files_and_signals(const struct listeners *listeners)
{
	const char *directories[LISTENERS_MAX];
	char names[LISTENERS_MAX][sizeof(((struct addr *)0)->local.sun_path)];
	size_t n = 0;
	for (size_t i = 0; i < listeners->n; i++) {
		const struct listener *listener = &listeners->list[i];
		if (listener->path.inode != 0) {
			directories[n] = directory_of(listener->addr.local.sun_path, names[n],
						      sizeof(names[n]));
			n++;
		}
	}
	return landlock_restrict(directories, n);
}

/* A process may send signals to itself: raise(3). */
#define TGKILL_SELF()                                                      \
	{                                                                  \
		.call = __NR_tgkill, .checks = { SECCOMP_IS(0, getpid()) } \
	}

static bool has_path(const struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->n; i++) {
		if (listeners->list[i].path.inode != 0)
			return true;
	}
	return false;
}

/* A table of rules if the condition holds, else an empty one. */
#define RULES_IF(condition, table)                          \
	{                                                   \
		(table), (condition) ? ARRAY_LEN(table) : 0 \
	}

MUST_USE static int install_server_filter(const struct listeners *listeners,
					  const struct sandbox_needs *needs)
{
	const struct seccomp_rule self[] = { TGKILL_SELF() };
	struct seccomp_rule shutting[LISTENERS_MAX];
	const struct seccomp_rules tables[] = {
		SECCOMP_RULES(serving_rules),
		SECCOMP_RULES(process_rules),
		SECCOMP_RULES(stopping_rules),
		SECCOMP_RULES(self),
		{ shutting, shutting_rules(listeners, shutting) },
		RULES_IF(has_path(listeners), path_rules),
		RULES_IF(needs->has_workers, worker_rules),
		RULES_IF(needs->has_workers, opening_rules),
		RULES_IF(needs->has_dispatch, passing_rules),
		RULES_IF(needs->has_dispatch, taking_rules),
		RULES_IF(needs->has_threads, thread_rules),
		RULES_IF(needs->has_rings, ring_rules),
		RULES_IF(needs->has_rings, ring_opening_rules),
		RULES_IF(needs->has_faults, fault_rules),
	};
	const struct seccomp_filter filter =
		seccomp_compile(tables, ARRAY_LEN(tables), SECCOMP_OTHERWISE_FAIL);
	return seccomp_install(&filter);
}

MUST_USE static int give_up_calls(struct sandbox *sandbox, const struct listeners *listeners,
				  const struct sandbox_needs *needs)
{
	const struct seccomp_rules child[] = {
		SECCOMP_RULES(child_rules),
		RULES_IF(needs->has_faults, fault_rules),
	};
	int rc = install_server_filter(listeners, needs);
	if (rc < 0)
		return rc;
	sandbox->child = seccomp_compile(child, ARRAY_LEN(child), SECCOMP_OTHERWISE_KILL);
	sandbox->needs = *needs;
	sandbox->has_filters = true;
	return 0;
}

int sandbox_enter(struct sandbox *sandbox, const struct listeners *listeners,
		  const struct sandbox_needs *needs)
{
	*sandbox = (struct sandbox){ 0 };
	int rc = privileges_set_no_new();
	if (rc == 0)
		rc = privileges_drop_capabilities();
	if (rc < 0)
		return rc;
	if (!sandbox_is_built_in())
		return 0;

	rc = restrict_files_and_signals(listeners);
	if (rc < 0)
		log_notice("running without Landlock: %s", err_text(rc).text);
	if (!seccomp_is_known_here()) {
		log_notice("running without seccomp: no list of calls for this architecture");
		return 0;
	}
	rc = give_up_calls(sandbox, listeners, needs);
	if (rc < 0)
		log_notice("running without seccomp: %s", err_text(rc).text);
	return 0;
}

bool sandbox_acquire_filter(struct sandbox *sandbox, uint64_t now_ns)
{
	if (now_ns - sandbox->second_ns >= CLOCK_NS_PER_S) {
		sandbox->second_ns = now_ns;
		sandbox->n_this_second = 0;
	}
	if (sandbox->n_this_second >= SANDBOX_FILTERS_PER_SECOND ||
	    sandbox->n_installed >= SANDBOX_FILTERS_MAX)
		return false;
	sandbox->n_this_second++;
	sandbox->n_installed++;
	return true;
}

void sandbox_release_filter(struct sandbox *sandbox)
{
	sandbox->n_installed--;
}

int sandbox_enter_child(const struct sandbox *sandbox)
{
	return seccomp_install(&sandbox->child);
}

/*
 * A call outside the filter fails: a worker has many clients, so it is not killed for one of them.
 */
int sandbox_enter_worker(const struct sandbox *sandbox)
{
	const struct sandbox_needs *needs = &sandbox->needs;
	const struct seccomp_rule own[] = { TGKILL_SELF(), { .call = CALL_NONE } };
	const struct seccomp_rules tables[] = {
		RULES_IF(needs->has_rings, ring_rules), /* first, because it is the most frequent */
		RULES_IF(needs->has_threads, thread_rules),
		SECCOMP_RULES(worker_rules),
		SECCOMP_RULES(serving_rules),
		RULES_IF(needs->has_dispatch, taking_rules),
		RULES_IF(needs->has_faults, fault_rules),
		SECCOMP_RULES(own),
	};
	if (!sandbox->has_filters)
		return 0;
	const struct seccomp_filter filter =
		seccomp_compile(tables, ARRAY_LEN(tables), SECCOMP_OTHERWISE_FAIL);
	return seccomp_install(&filter);
}
