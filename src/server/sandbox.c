/* SPDX-License-Identifier: MIT */
#include "server/sandbox.h"

#include <assert.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "net/landlock.h"
#include "net/privileges.h"

/* A name that not every architecture has: where there is poll, the C library calls that. */
#ifdef __NR_poll
#define CALL_POLL __NR_poll
#else
#define CALL_POLL __NR_ppoll
#endif

/* No call at all: what is left of one where a tracer injects an error (strace(1)). */
#define CALL_NONE (-1)

/* An ioctl(2) by its request. On a terminal others could type commands for its user. */
#define IOCTL(request)                                                   \
	{                                                                \
		.call = __NR_ioctl, .has_argument = true, .argument = 1, \
		.value = (uint32_t)(request),                            \
	}

/* What session_run() comes to, and the end of a child. In the order of their frequency. */
static const struct seccomp_rule child_rules[] = {
	{ .call = __NR_recvfrom },
	{ .call = __NR_sendto },
	{ .call = CALL_POLL },
	{ .call = __NR_shutdown },
	IOCTL(SIOCOUTQ),             /* io_unacknowledged() */
	{ .call = __NR_getsockopt }, /* io_pending_error() */
	{ .call = __NR_exit_group },
	{ .call = __NR_clock_gettime },   /* where only the kernel can read the clock */
	{ .call = __NR_restart_syscall }, /* a poll goes on after SIGSTOP and SIGCONT */
	{ .call = CALL_NONE },
};

/*
 * The server's own calls, and those of a child on its way from its beginning to its list. What the
 * child may do must be here as well.
 */
static const struct seccomp_rule server_rules[] = {
	/* waiting, and the clock */
	{ .call = CALL_POLL },
	{ .call = __NR_clock_gettime },
	{ .call = __NR_restart_syscall },
	/* the lifeline, signals, the log */
	{ .call = __NR_pipe2 },
	{ .call = __NR_read },
	{ .call = __NR_write },
	{ .call = __NR_close },
	/* clients */
	{ .call = __NR_accept4 },
	{ .call = __NR_getsockopt },
	{ .call = __NR_setsockopt }, /* accept_client() */
	{ .call = __NR_listen },     /* listen_shut_queue() */
	{ .call = __NR_shutdown },
	/* children */
	{ .call = __NR_clone },
	{ .call = __NR_clone3 },
	{ .call = __NR_wait4 },
	{ .call = __NR_kill },
	{ .call = __NR_close_range },
	{ .call = __NR_prlimit64 }, /* process_keep_only(), where there is no close_range */
	{ .call = __NR_seccomp },
	{ .call = __NR_recvfrom },
	{ .call = __NR_sendto },
	IOCTL(SIOCOUTQ),
	/* memory, as malloc(3) sees fit */
	{ .call = __NR_brk },
	{ .call = __NR_mmap },
	{ .call = __NR_munmap },
	{ .call = __NR_mremap },
	{ .call = __NR_mprotect },
	{ .call = __NR_madvise },
	/* if_indextoname(3): the zone of a link-local peer */
	{ .call = __NR_socket },
	IOCTL(SIOCGIFNAME),
	/* the end: unix paths, signals_die_of(), what abort(3) says */
	{ .call = __NR_rt_sigaction },
	{ .call = __NR_rt_sigprocmask },
	{ .call = __NR_newfstatat },
#ifdef __NR_unlink
	{ .call = __NR_unlink },
#endif
	{ .call = __NR_unlinkat },
	{ .call = __NR_getpid },
	{ .call = __NR_gettid },
	{ .call = __NR_tgkill },
	{ .call = __NR_writev },
	{ .call = __NR_exit_group },
};

bool sandbox_is_built_in(void)
{
	return TCPECHO_SANDBOX;
}

/* The directory that a path is in. */
static const char *directory_of(const char *path, char *directory, size_t size)
{
	const char *slash = strrchr(path, '/');
	if (slash == NULL)
		return ".";
	int length = slash == path ? 1 : (int)(slash - path);
	snprintf(directory, size, "%.*s", length, path);
	return directory;
}

MUST_USE static int leave_files_and_strangers(const struct listeners *listeners)
{
	const char *directories[LISTENERS_MOST];
	char names[LISTENERS_MOST][sizeof(((struct addr *)0)->local.sun_path)];
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

/*
 * What a worker (server/worker.h) does, whatever its engine: it accepts, echoes and tells, and
 * starts nobody. Its list lies on that of the server, so what is not there it has not either.
 */
static const struct seccomp_rule worker_rules[] = {
	{ .call = __NR_recvfrom },
	{ .call = __NR_sendto },
	{ .call = CALL_POLL },
	{ .call = __NR_shutdown },
	IOCTL(SIOCOUTQ),
	{ .call = __NR_getsockopt },
	{ .call = __NR_setsockopt },
	{ .call = __NR_accept4 },
	{ .call = __NR_listen },
	{ .call = __NR_close },
	{ .call = __NR_read },
	{ .call = __NR_write },
	{ .call = __NR_clock_gettime },
	{ .call = __NR_restart_syscall },
	{ .call = __NR_brk },
	{ .call = __NR_mmap },
	{ .call = __NR_munmap },
	{ .call = __NR_mremap },
	{ .call = __NR_mprotect },
	{ .call = __NR_madvise },
	{ .call = __NR_rt_sigprocmask },
	{ .call = __NR_prlimit64 }, /* machine_descriptors() */
	/* the zone of a link-local client, in a title */
	{ .call = __NR_socket },
	IOCTL(SIOCGIFNAME),
	/* the end, and what abort(3) says */
	{ .call = __NR_rt_sigaction },
	{ .call = __NR_getpid },
	{ .call = __NR_gettid },
	{ .call = __NR_tgkill },
	{ .call = __NR_writev },
	{ .call = __NR_exit_group },
	{ .call = CALL_NONE },
};

/* A list of an engine's calls and others. */
static struct seccomp_list compile_both(const struct seccomp_rule *engine_calls, size_t n_engine,
					const struct seccomp_rule *others, size_t n_others,
					enum seccomp_otherwise otherwise)
{
	struct seccomp_rule rules[SECCOMP_RULES_MOST];
	assert(n_engine + n_others <= ARRAY_LEN(rules));
	/* Those of an engine first: they are the frequent ones. */
	for (size_t i = 0; i < n_engine; i++)
		rules[i] = engine_calls[i];
	for (size_t i = 0; i < n_others; i++)
		rules[n_engine + i] = others[i];
	return seccomp_compile(rules, n_engine + n_others, otherwise);
}

/* Of those whom the server will start. */
static void prepare_lists(struct sandbox *sandbox, const struct seccomp_rule *engine_calls,
			  size_t n)
{
	sandbox->child =
		seccomp_compile(child_rules, ARRAY_LEN(child_rules), SECCOMP_OTHERWISE_KILL);
	/* Not killed for what it may not do: a worker has many clients. */
	sandbox->worker = compile_both(engine_calls, n, worker_rules, ARRAY_LEN(worker_rules),
				       SECCOMP_OTHERWISE_FAIL);
}

int sandbox_enter(struct sandbox *ret_sandbox, const struct listeners *listeners,
		  const struct seccomp_rule *engine_calls, size_t n_engine_calls)
{
	struct sandbox sandbox = { 0 };
	int rc = privileges_forgo_new();
	if (rc == 0)
		rc = privileges_drop_capabilities();
	if (rc < 0)
		return rc;
	if (!sandbox_is_built_in())
		goto entered;

	rc = leave_files_and_strangers(listeners);
	if (rc < 0)
		log_notice("going without Landlock: %s", err_text(rc).text);

	const struct seccomp_list list =
		compile_both(engine_calls, n_engine_calls, server_rules, ARRAY_LEN(server_rules),
			     SECCOMP_OTHERWISE_FAIL);
	rc = seccomp_put_on(&list);
	if (rc < 0)
		log_notice("going without seccomp: %s", err_text(rc).text);
	else
		prepare_lists(&sandbox, engine_calls, n_engine_calls);
entered:
	*ret_sandbox = sandbox;
	return 0;
}

bool sandbox_take_list(struct sandbox *sandbox, uint64_t now_ns)
{
	if (now_ns - sandbox->second_ns >= CLOCK_NS_PER_S) {
		sandbox->second_ns = now_ns;
		sandbox->n_spent = 0;
	}
	if (sandbox->n_spent >= SANDBOX_LISTS_A_SECOND || sandbox->n_on >= SANDBOX_LISTS_MOST)
		return false;
	sandbox->n_spent++;
	sandbox->n_on++;
	return true;
}

void sandbox_give_list_back(struct sandbox *sandbox)
{
	sandbox->n_on--;
}

int sandbox_enter_child(const struct sandbox *sandbox)
{
	return seccomp_put_on(&sandbox->child);
}

int sandbox_enter_worker(const struct sandbox *sandbox)
{
	return seccomp_put_on(&sandbox->worker);
}
