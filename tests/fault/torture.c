/* SPDX-License-Identifier: MIT */
/*
 * The seam of the torture (tests/fault/torture.py): the whole program, in which the linker leads
 * every system call that can fail through here (`-Wl,--wrap=recv` and so on, ld(1)).
 *
 * TORTURE_JOURNAL names a file. Every call is written to it as a line, "PROCESS CALL NTH DETAIL",
 * with " INJECTED" behind it if it was made to fail. PROCESS is 0 for the first process, and its
 * children have numbers by the order of their first calls. NTH counts the calls of that name in
 * that process. DETAIL distinguishes calls of one name: the descriptor, the family, the backlog,
 * the operation.
 *
 * TORTURE_PLAN, "PROCESS CALL NTH ERROR", makes one call fail: ERROR is the errno number, or for
 * getaddrinfo(3) the code that it returns. Without the two variables the program behaves as usual.
 *
 * The state of a process is in shared memory under its pid. So it does not matter how a child is
 * made, nor whether it shares its parent's memory. The file is mapped: it takes no descriptor from
 * the program, and a child cannot close it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <unistd.h>
#if TORTURE_URING
#include <liburing.h>
#endif

/*
 * More text than a run writes. Further calls are counted but not written, so that a spinning loop
 * shows.
 */
#define JOURNAL_SIZE ((size_t)1024 * 1024)

#define MOST_PROCESSES 64
#define MOST_CALLS     96

struct journal {
	_Atomic uint64_t used;
	char text[JOURNAL_SIZE];
};

struct process {
	_Atomic pid_t pid;                /* 0: the entry is free */
	struct {                          /* shared by all threads of a process */
		const char *_Atomic name; /* NULL: the entry is free */
		_Atomic uint64_t count;
	} calls[MOST_CALLS];
};

static struct journal *journal; /* NULL: no torture */
static struct process *processes;

static struct {
	int process; /* -1: no process */
	char call[32];
	uint64_t nth;
	int error;
} plan = { .process = -1 };

__attribute__((constructor)) static void set_up(void)
{
	const char *path = getenv("TORTURE_JOURNAL");
	const char *wish = getenv("TORTURE_PLAN");
	if (path == NULL)
		return;
	if (wish != NULL && sscanf(wish, "%d %31s %" SCNu64 " %d", &plan.process, plan.call,
				   &plan.nth, &plan.error) != 4)
		abort();

	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(struct journal)) < 0)
		abort();
	int access = PROT_READ | PROT_WRITE;
	void *file = mmap(NULL, sizeof(struct journal), access, MAP_SHARED, fd, 0);
	processes = mmap(NULL, MOST_PROCESSES * sizeof(*processes), access,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (file == MAP_FAILED || processes == MAP_FAILED)
		abort();
	close(fd);
	atomic_store(&processes[0].pid, getpid());
	journal = file;
}

/* Returns the number of the calling process. */
static int current_process(void)
{
	pid_t pid = getpid();
	for (int process = 0; process < MOST_PROCESSES; process++) {
		pid_t unused = 0;
		if (atomic_load(&processes[process].pid) == pid ||
		    atomic_compare_exchange_strong(&processes[process].pid, &unused, pid))
			return process;
	}
	abort();
}

static uint64_t count_call(struct process *process, const char *call)
{
	for (size_t i = 0; i < MOST_CALLS; i++) {
		const char *name = NULL;
		if (atomic_compare_exchange_strong(&process->calls[i].name, &name, call))
			name = call;
		if (strcmp(name, call) == 0)
			return atomic_fetch_add(&process->calls[i].count, 1) + 1;
	}
	abort();
}

/* The call that is being made. */
struct call {
	const char *name;
	long detail;
	int process;
	uint64_t nth;
};

static bool is_planned(const struct call *call)
{
	return call->process == plan.process && call->nth == plan.nth &&
	       strcmp(call->name, plan.call) == 0;
}

static void write_down(const struct call *call, bool injected)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "%d %s %" PRIu64 " %ld%s\n", call->process, call->name,
			 call->nth, call->detail, injected ? " INJECTED" : "");
	uint64_t at = atomic_fetch_add(&journal->used, (uint64_t)n);
	if (at + (uint64_t)n <= JOURNAL_SIZE)
		memcpy(journal->text + at, line, (size_t)n);
}

static struct call count(const char *name, long detail)
{
	struct call call = { .name = name, .detail = detail, .process = current_process() };
	call.nth = count_call(&processes[call.process], name);
	return call;
}

/* Counts a call and writes it to the journal. Returns 0, or the error with which it must fail. */
static int error_for(const char *name, long detail)
{
	if (journal == NULL)
		return 0;
	int saved_errno = errno;
	struct call call = count(name, detail);
	bool injected = is_planned(&call);
	write_down(&call, injected);
	errno = injected ? plan.error : saved_errno;
	return injected ? plan.error : 0;
}

/* ---- calls that fail without having been made ---- */

#define FAILING(type, call, failure, detail, parameters, arguments) \
	type __real_##call parameters;                              \
	type __wrap_##call parameters;                              \
	type __wrap_##call parameters                               \
	{                                                           \
		if (error_for(#call, (long)(detail)) != 0)          \
			return failure;                             \
		return __real_##call arguments;                     \
	}

/* The first descriptor distinguishes the log's poll(2) from the loop's. */
#define FIRST(fds) ((fds) != NULL ? (fds)->fd : -1)

FAILING(int, accept4, -1, fd, (int fd, struct sockaddr *addr, socklen_t *size, int flags),
	(fd, addr, size, flags))
FAILING(int, bind, -1, addr->sa_family, (int fd, const struct sockaddr *addr, socklen_t size),
	(fd, addr, size))
FAILING(void *, calloc, NULL, -1, (size_t n, size_t size), (n, size))
FAILING(int, clone, -1, -1, (int (*body)(void *), void *stack, int flags, void *argument),
	(body, stack, flags, argument))
FAILING(int, close_range, -1, first, (unsigned int first, unsigned int last, int flags),
	(first, last, flags))
FAILING(int, dup2, -1, new_fd, (int fd, int new_fd), (fd, new_fd))
FAILING(int, epoll_create1, -1, -1, (int flags), (flags))
FAILING(int, epoll_wait, -1, -1, (int fd, struct epoll_event *events, int n, int timeout_ms),
	(fd, events, n, timeout_ms))
FAILING(int, fcntl64, -1, fd, (int fd, int command, long argument), (fd, command, argument))
FAILING(int, flock, -1, -1, (int fd, int operation), (fd, operation))
FAILING(int, fflush, EOF, -1, (FILE * file), (file))
FAILING(char *, fgets, NULL, -1, (char *line, int size, FILE *file), (line, size, file))
FAILING(ssize_t, __getdelim, -1, -1, (char **line, size_t *size, int end, FILE *file),
	(line, size, end, file))
FAILING(FILE *, fopen64, NULL, -1, (const char *path, const char *mode), (path, mode))
FAILING(pid_t, fork, -1, -1, (void), ())
FAILING(int, fstat64, -1, fd, (int fd, struct stat *status), (fd, status))
/* It returns -1 if there are more groups than fit: then it is called again, with more room. */
FAILING(int, getgrouplist, -1, -1, (const char *user, gid_t group, gid_t *groups, int *n),
	(user, group, groups, n))
FAILING(int, getifaddrs, -1, -1, (struct ifaddrs * *list), (list))
FAILING(int, fstatfs64, -1, fd, (int fd, struct statfs *info), (fd, info))
FAILING(int, getpeername, -1, fd, (int fd, struct sockaddr *addr, socklen_t *size),
	(fd, addr, size))
FAILING(struct passwd *, getpwnam, NULL, -1, (const char *name), (name))
FAILING(struct passwd *, getpwuid, NULL, -1, (uid_t uid), (uid))
FAILING(int, getresgid, -1, -1, (gid_t * real, gid_t *effective, gid_t *saved),
	(real, effective, saved))
FAILING(int, getresuid, -1, -1, (uid_t * real, uid_t *effective, uid_t *saved),
	(real, effective, saved))
FAILING(int, getrlimit64, -1, what, (int what, struct rlimit *limit), (what, limit))
FAILING(int, getsockname, -1, fd, (int fd, struct sockaddr *addr, socklen_t *size),
	(fd, addr, size))
FAILING(int, getsockopt, -1, name, (int fd, int level, int name, void *value, socklen_t *size),
	(fd, level, name, value, size))
FAILING(int, ioctl, -1, fd, (int fd, unsigned long request, void *argument),
	(fd, request, argument))
FAILING(int, kill, -1, signal, (pid_t pid, int signal), (pid, signal))
FAILING(int, listen, -1, backlog, (int fd, int backlog), (fd, backlog))
FAILING(off_t, lseek64, -1, fd, (int fd, off_t offset, int whence), (fd, offset, whence))
FAILING(int, lstat64, -1, -1, (const char *path, struct stat *status), (path, status))
FAILING(int, stat64, -1, -1, (const char *path, struct stat *status), (path, status))
FAILING(int, madvise, -1, advice, (void *at, size_t size, int advice), (at, size, advice))
FAILING(void *, mmap64, MAP_FAILED, fd,
	(void *at, size_t size, int access, int flags, int fd, off_t offset),
	(at, size, access, flags, fd, offset))
FAILING(int, munmap, -1, -1, (void *at, size_t size), (at, size))
/* A directory is opened to lock it, or for Landlock. */
#define IS_DIRECTORY(flags) (((flags)&O_DIRECTORY) != 0)
FAILING(int, open64, -1, IS_DIRECTORY(flags), (const char *path, int flags, mode_t mode),
	(path, flags, mode))
FAILING(int, __open64_2, -1, IS_DIRECTORY(flags), (const char *path, int flags), (path, flags))
FAILING(int, pipe2, -1, -1, (int *ends, int flags), (ends, flags))
FAILING(int, poll, -1, FIRST(fds), (struct pollfd * fds, nfds_t n, int timeout_ms),
	(fds, n, timeout_ms))
FAILING(int, prctl, -1, option, (int option, long a, long b, long c, long d), (option, a, b, c, d))
FAILING(DIR *, opendir, NULL, -1, (const char *path), (path))
FAILING(ssize_t, pread64, -1, fd, (int fd, void *buffer, size_t size, off_t at),
	(fd, buffer, size, at))
FAILING(ssize_t, read, -1, fd, (int fd, void *buffer, size_t size), (fd, buffer, size))
FAILING(struct dirent *, readdir64, NULL, -1, (DIR * directory), (directory))
FAILING(void *, reallocarray, NULL, -1, (void *memory, size_t n, size_t size), (memory, n, size))
FAILING(ssize_t, recv, -1, fd, (int fd, void *buffer, size_t size, int flags),
	(fd, buffer, size, flags))
FAILING(int, setgroups, -1, -1, (size_t n, const gid_t *groups), (n, groups))
FAILING(int, sched_getaffinity, -1, -1, (pid_t pid, size_t size, cpu_set_t *cpus),
	(pid, size, cpus))
FAILING(char *, setlocale, NULL, -1, (int category, const char *name), (category, name))
FAILING(int, setresgid, -1, -1, (gid_t real, gid_t effective, gid_t saved),
	(real, effective, saved))
/* There are two calls; the one that sets root's ids must fail. */
FAILING(int, setresuid, -1, real == 0, (uid_t real, uid_t effective, uid_t saved),
	(real, effective, saved))
FAILING(int, setrlimit64, -1, what, (int what, const struct rlimit *limit), (what, limit))
FAILING(int, setsockopt, -1, name, (int fd, int level, int name, const void *value, socklen_t size),
	(fd, level, name, value, size))
FAILING(int, signalfd, -1, -1, (int fd, const sigset_t *mask, int flags), (fd, mask, flags))
FAILING(int, socket, -1, family, (int family, int type, int protocol), (family, type, protocol))
FAILING(char *, strdup, NULL, -1, (const char *text), (text))
FAILING(int, unlink, -1, -1, (const char *path), (path))

/* The detail of a write to an eventfd (tests/fault/errnos.py). */
#define EVENTFD         (-2)
#define DESCRIPTORS_MAX 4096
static bool is_eventfd[DESCRIPTORS_MAX];

static void note_eventfd(int fd, bool is_open)
{
	if (fd >= 0 && fd < DESCRIPTORS_MAX)
		is_eventfd[fd] = is_open;
}

int __real_eventfd(unsigned int count, int flags);
int __wrap_eventfd(unsigned int count, int flags);
int __wrap_eventfd(unsigned int count, int flags)
{
	int error = error_for("eventfd", -1);
	int fd = error == 0 ? __real_eventfd(count, flags) : -1;
	if (error != 0)
		errno = error;
	note_eventfd(fd, true);
	return fd;
}

static int write_detail(int fd)
{
	return fd >= 0 && fd < DESCRIPTORS_MAX && is_eventfd[fd] ? EVENTFD : fd;
}
FAILING(ssize_t, write, -1, write_detail(fd), (int fd, const void *bytes, size_t size),
	(fd, bytes, size))

/* ---- calls that return what others leave in errno ---- */

#define RETURNING(call, sign, detail, parameters, arguments)              \
	int __real_##call parameters;                                     \
	int __wrap_##call parameters;                                     \
	int __wrap_##call parameters                                      \
	{                                                                 \
		int error = error_for(#call, (long)(detail));             \
		return error != 0 ? sign error : __real_##call arguments; \
	}

RETURNING(pthread_create, +, -1,
	  (pthread_t * thread, const pthread_attr_t *how, void *(*body)(void *), void *argument),
	  (thread, how, body, argument))

#if TORTURE_URING
RETURNING(io_uring_enable_rings, -, -1, (struct io_uring * ring), (ring))
RETURNING(io_uring_queue_init_params, -, -1,
	  (unsigned int n, struct io_uring *ring, struct io_uring_params *params),
	  (n, ring, params))
RETURNING(io_uring_register_buf_ring, -, -1,
	  (struct io_uring * ring, struct io_uring_buf_reg *where, unsigned int flags),
	  (ring, where, flags))
RETURNING(io_uring_register_restrictions, -, -1,
	  (struct io_uring * ring, struct io_uring_restriction *list, unsigned int n),
	  (ring, list, n))

/*
 * A failed request looks as the kernel would make it: it has one completion, the last, and has done
 * nothing. The kernel gets a request to cancel a request that does not exist in its place, and the
 * completion of that one is given the error.
 */
static const char *name_of_request(unsigned int opcode)
{
	switch (opcode) {
	case IORING_OP_RECV:
		return "uring_recv";
	case IORING_OP_SEND:
		return "uring_send";
	case IORING_OP_POLL_ADD:
		return "uring_poll";
	default:
		return NULL;
	}
}

#define NOBODYS_TAG UINT64_C(0x123456789abcdef)

static struct {
	bool is_there;
	uint64_t tag;
} failing_request;

static void look_at_requests(struct io_uring *ring)
{
	const struct io_uring_sq *sq = &ring->sq;
	for (unsigned int at = sq->sqe_head; at != sq->sqe_tail; at++) {
		struct io_uring_sqe *sqe = &sq->sqes[at & sq->ring_mask];
		const char *name = name_of_request(sqe->opcode);
		if (name == NULL || error_for(name, -1) == 0)
			continue;
		failing_request.is_there = true;
		failing_request.tag = sqe->user_data;
		memset(sqe, 0, sizeof(*sqe));
		sqe->opcode = IORING_OP_ASYNC_CANCEL;
		sqe->fd = -1;
		sqe->addr = NOBODYS_TAG;
		sqe->user_data = failing_request.tag;
	}
}

#define SUBMITTING(call, parameters, arguments)                       \
	int __real_##call parameters;                                 \
	int __wrap_##call parameters;                                 \
	int __wrap_##call parameters                                  \
	{                                                             \
		int error;                                            \
		look_at_requests(ring);                               \
		error = error_for(#call, -1);                         \
		return error != 0 ? -error : __real_##call arguments; \
	}

SUBMITTING(io_uring_submit, (struct io_uring * ring), (ring))
SUBMITTING(io_uring_submit_and_get_events, (struct io_uring * ring), (ring))
SUBMITTING(io_uring_submit_and_wait, (struct io_uring * ring, unsigned int n), (ring, n))
SUBMITTING(io_uring_submit_and_wait_timeout,
	   (struct io_uring * ring, struct io_uring_cqe **cqe, unsigned int n,
	    struct __kernel_timespec *wait, sigset_t *mask),
	   (ring, cqe, n, wait, mask))

unsigned int __real_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes,
					    unsigned int n);
unsigned int __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes,
					    unsigned int n);
unsigned int __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes,
					    unsigned int n)
{
	unsigned int found = __real_io_uring_peek_batch_cqe(ring, cqes, n);
	for (unsigned int i = 0; failing_request.is_there && i < found; i++) {
		if (cqes[i]->user_data != failing_request.tag || cqes[i]->res != -ENOENT)
			continue;
		cqes[i]->res = -plan.error;
		failing_request.is_there = false;
	}
	return found;
}
#endif

/* ---- calls that fail otherwise ---- */

static bool is_listening(int fd)
{
	int is_listening = 0;
	socklen_t size = sizeof(is_listening);
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) == 0 &&
	       is_listening != 0;
}

/*
 * EEXIST: the listening socket is really added first, and ENOENT: the descriptor is really removed.
 * Connections are added once, so EEXIST for them would stay false for ever.
 */
int __real_epoll_ctl(int poller_fd, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int poller_fd, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int poller_fd, int operation, int fd, struct epoll_event *event)
{
	int error = error_for("epoll_ctl", operation);
	if (error == 0 || error == ENOENT || (error == EEXIST && is_listening(fd))) {
		int rc = __real_epoll_ctl(poller_fd, operation, fd, event);
		if (error == 0)
			return rc;
	}
	errno = error;
	return -1;
}

/* The descriptor is free whatever close(2) returns. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	int error = error_for("close", fd);
	note_eventfd(fd, false);
	int rc = __real_close(fd);
	if (error == 0)
		return rc;
	errno = error;
	return -1;
}

/* After EINTR or EINPROGRESS the connect continues in the background (connect(2)). */
int __real_connect(int fd, const struct sockaddr *addr, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t size)
{
	int error = error_for("connect", addr->sa_family);
	int rc = 0;
	if (error == 0 || error == EINTR || error == EINPROGRESS)
		rc = __real_connect(fd, addr, size);
	if (error == 0)
		return rc;
	errno = error;
	return -1;
}

/*
 * With ENOTCONN the real shutdown takes place too, so that the client does not wait for our FIN.
 * Not of a listening socket (SHUT_RD): after a real one, poll(2) always reports a connection.
 */
int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how)
{
	int error = error_for("shutdown", how);
	int rc = 0;
	if (error == 0 || (error == ENOTCONN && how == SHUT_WR))
		rc = __real_shutdown(fd, how);
	if (error == 0)
		return rc;
	errno = error;
	return -1;
}

/* Errors of send(2) that mean a lost connection: then a receive fails as well. */
static bool is_loss(int error)
{
	static const int losses[] = {
		EPIPE, ECONNRESET, ECONNABORTED, ENOTCONN, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH,
	};
	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
		if (losses[i] == error)
			return true;
	}
	return false;
}

ssize_t __real_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags)
{
	int error = error_for("send", fd);
	if (error == 0)
		return __real_send(fd, bytes, size, flags);
	if (is_loss(error))
		__real_shutdown(fd, SHUT_RDWR);
	errno = error;
	return -1;
}

/* ECHILD is injected only when no child can be reaped. */
pid_t __real_waitpid(pid_t pid, int *status, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
	if (journal == NULL)
		return __real_waitpid(pid, status, options);
	struct call call = count("waitpid", options);
	bool injected = is_planned(&call);
	if (injected && plan.error != ECHILD) {
		write_down(&call, true);
		errno = plan.error;
		return -1;
	}
	pid_t reaped = __real_waitpid(pid, status, options);
	int saved_errno = errno;
	injected = injected && reaped <= 0;
	write_down(&call, injected);
	errno = injected ? ECHILD : saved_errno;
	return injected ? -1 : reaped;
}

/* Calls without a C library function. */
static const char *name_of_call(long number)
{
	switch (number) {
	case SYS_capget:
		return "capget";
	case SYS_capset:
		return "capset";
	case SYS_landlock_add_rule:
		return "landlock_add_rule";
	case SYS_landlock_create_ruleset:
		return "landlock_create_ruleset";
	case SYS_landlock_restrict_self:
		return "landlock_restrict_self";
	case SYS_seccomp:
		return "seccomp";
	default:
		return "syscall";
	}
}

/* A child's seccomp filter would forbid the seam to get its pid, so it is not installed there. */
long __real_syscall(long number, long a, long b, long c, long d);
long __wrap_syscall(long number, long a, long b, long c, long d);
long __wrap_syscall(long number, long a, long b, long c, long d)
{
	if (error_for(name_of_call(number), -1) != 0)
		return -1;
	if (journal != NULL && number == SYS_seccomp && current_process() > 0)
		return 0;
	return __real_syscall(number, a, b, c, d);
}

/* It returns its own codes; EAI_SYSTEM also sets errno. */
int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret_found);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret_found);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret_found)
{
	int error = error_for("getaddrinfo", -1);
	if (error == 0)
		return __real_getaddrinfo(host, service, hints, ret_found);
	if (error == EAI_SYSTEM)
		errno = ENFILE;
	return error;
}
