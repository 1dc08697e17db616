# SPDX-License-Identifier: MIT
"""Every call of the program that can fail, and the errors that its manual page allows.

One row per call: its name, the names of it and its equivalents in the C library and the kernel, and the errors. A
new call needs a row here. It also needs its `--wrap` in tests/fault/meson.build and torture.c, unless it is one of
the calls below that cannot fail or that no run makes. test_torture.py compares the three with the program's
symbols.
"""
from typing import NamedTuple


class Row(NamedTuple):
    """A call. aliases: its names in the linker and the kernel. errors: by name."""

    call: str
    aliases: tuple
    errors: tuple


def row(call, aliases, errors):
    return Row(call, tuple(aliases.split()), tuple(errors.split()))


ROWS = [
    # sockets. accept(2) passes on pending errors of the new connection, and "various kernels" return more.
    row("accept", "accept accept4",
        "EAGAIN EBADF ECONNABORTED EFAULT EINTR EINVAL EMFILE ENFILE ENOBUFS ENOMEM ENOTSOCK EOPNOTSUPP EPERM"
        " EPROTO ENETDOWN ENOPROTOOPT EHOSTDOWN ENONET EHOSTUNREACH ENETUNREACH ENOSR ESOCKTNOSUPPORT"
        " EPROTONOSUPPORT ETIMEDOUT"),
    row("bind", "bind",
        "EACCES EADDRINUSE EBADF EINVAL ENOTSOCK EADDRNOTAVAIL EFAULT ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR"
        " EROFS"),
    row("connect", "connect",
        "EACCES EPERM EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF ECONNREFUSED EFAULT EINPROGRESS"
        " EINTR EISCONN ENETUNREACH EHOSTUNREACH ENOTSOCK EPROTOTYPE ETIMEDOUT"),
    row("getpeername", "getpeername", "EBADF EFAULT EINVAL ENOBUFS ENOTCONN ENOTSOCK"),
    row("getsockname", "getsockname", "EBADF EFAULT EINVAL ENOBUFS ENOTSOCK"),
    row("getsockopt", "getsockopt", "EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK"),
    row("listen", "listen", "EADDRINUSE EBADF ENOTSOCK EOPNOTSUPP"),
    # recv(2) and send(2), plus tcp(7) and ip(7).
    row("recv", "recv recvfrom recvmsg __recv_chk",
        "EAGAIN EBADF ECONNREFUSED EFAULT EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK ECONNRESET ECONNABORTED ETIMEDOUT"
        " EHOSTUNREACH ENETUNREACH"),
    row("send", "send sendto sendmsg",
        "EACCES EAGAIN EALREADY EBADF ECONNRESET EDESTADDRREQ EFAULT EINTR EINVAL EISCONN EMSGSIZE ENOBUFS ENOMEM"
        " ENOTCONN ENOTSOCK EOPNOTSUPP EPIPE ECONNABORTED ETIMEDOUT EHOSTUNREACH ENETUNREACH"),
    row("setsockopt", "setsockopt", "EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK"),
    row("shutdown", "shutdown", "EBADF EINVAL ENOTCONN ENOTSOCK"),
    row("socket", "socket", "EACCES EAFNOSUPPORT EINVAL EMFILE ENFILE ENOBUFS ENOMEM EPROTONOSUPPORT"),
    row("getaddrinfo", "getaddrinfo",
        "EAI_ADDRFAMILY EAI_AGAIN EAI_BADFLAGS EAI_FAIL EAI_FAMILY EAI_MEMORY EAI_NODATA EAI_NONAME EAI_SERVICE"
        " EAI_SOCKTYPE EAI_SYSTEM"),
    row("getifaddrs", "getifaddrs", "EMFILE ENFILE ENOBUFS ENOMEM EACCES"),
    # descriptors and files
    row("close", "close", "EBADF EINTR EIO ENOSPC EDQUOT"),
    row("close_range", "close_range", "EINVAL EMFILE ENOMEM ENOSYS"),
    row("dup", "dup2 dup3", "EBADF EBUSY EINTR EMFILE"),
    row("fcntl", "fcntl fcntl64", "EBADF"),
    row("fstat", "fstat fstat64 newfstatat", "EBADF EFAULT ENOMEM EOVERFLOW"),
    row("fstatfs", "fstatfs fstatfs64", "EBADF EFAULT EINTR EIO ENOMEM ENOSYS EOVERFLOW"),
    row("lstat", "lstat lstat64 stat stat64", "EACCES EBADF EFAULT ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EOVERFLOW"),
    row("ioctl", "ioctl", "EBADF EFAULT EINVAL ENOTTY"),
    row("lseek", "lseek lseek64", "EBADF EINVAL ENXIO EOVERFLOW ESPIPE"),
    row("open", "open open64 __open64_2 openat",
        "EACCES EFAULT EINTR EINVAL EISDIR ELOOP EMFILE ENAMETOOLONG ENFILE ENODEV ENOENT ENOMEM ENOTDIR ENXIO"
        " EOVERFLOW EPERM EROFS"),
    row("flock", "flock", "EBADF EINTR EINVAL ENOLCK EAGAIN"),
    row("opendir", "opendir", "EACCES EMFILE ENFILE ENOENT ENOMEM ENOTDIR"),
    row("readdir", "readdir readdir64 getdents64", "EBADF EFAULT EINVAL ENOENT ENOTDIR"),
    row("pread", "pread pread64", "EBADF EFAULT EINTR EINVAL EIO EISDIR"),
    row("fopen", "fopen fopen64", "EACCES EINTR EINVAL EMFILE ENFILE ENOENT ENOMEM EPERM"),
    row("fgets", "fgets __fgets_chk", "EAGAIN EBADF EINTR EIO"),
    row("getline", "getline __getdelim", "EAGAIN EBADF EINTR EINVAL EIO ENOMEM"),
    row("fflush", "fflush", "EAGAIN EBADF EFBIG EINTR EIO ENOSPC EPIPE"),
    row("pipe", "pipe pipe2", "EFAULT EINVAL EMFILE ENFILE"),
    row("poll", "poll ppoll __poll_chk", "EFAULT EINTR EINVAL ENOMEM"),
    row("epoll_create", "epoll_create1", "EINVAL EMFILE ENFILE ENOMEM"),
    row("epoll_ctl", "epoll_ctl", "EBADF EEXIST EINVAL ELOOP ENOENT ENOMEM ENOSPC EPERM"),
    row("epoll_wait", "epoll_wait epoll_pwait", "EBADF EFAULT EINTR EINVAL"),
    row("eventfd", "eventfd eventfd2", "EINVAL EMFILE ENFILE ENODEV ENOMEM"),
    row("read", "read __read_chk", "EAGAIN EBADF EFAULT EINTR EINVAL EIO EISDIR"),
    row("write", "write", "EAGAIN EBADF EDESTADDRREQ EDQUOT EFAULT EFBIG EINTR EINVAL EIO ENOSPC EPERM EPIPE"),
    row("unlink", "unlink unlinkat", "EACCES EBUSY EFAULT EIO EISDIR ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EPERM"
        " EROFS"),
    # processes and signals
    row("fork", "fork vfork clone clone3", "EAGAIN ENOMEM ENOSYS"),
    row("pthread_create", "pthread_create", "EAGAIN EINVAL EPERM"),
    row("sched_getaffinity", "sched_getaffinity", "EFAULT EINVAL EPERM ESRCH"),
    row("waitpid", "waitpid wait4 waitid", "ECHILD EINTR EINVAL"),
    row("kill", "kill", "EINVAL EPERM ESRCH"),
    row("signalfd", "signalfd signalfd4", "EBADF EINVAL EMFILE ENFILE ENODEV ENOMEM"),
    row("getrlimit", "getrlimit getrlimit64 prlimit64", "EFAULT EINVAL EPERM"),
    row("setrlimit", "setrlimit setrlimit64", "EFAULT EINVAL EPERM"),
    # privileges
    row("prctl", "prctl", "EINVAL EPERM"),
    row("capget", "capget", "EFAULT EINVAL EPERM"),
    row("getpwnam", "getpwnam", "EINTR EIO EMFILE ENFILE ENOENT ENOMEM ERANGE"),
    row("getpwuid", "getpwuid", "EINTR EIO EMFILE ENFILE ENOENT ENOMEM ERANGE"),
    row("getresgid", "getresgid", "EFAULT"),
    row("getresuid", "getresuid", "EFAULT"),
    row("getgrouplist", "getgrouplist", "EAGAIN"),
    row("setgroups", "setgroups", "EINVAL ENOMEM EPERM"),
    row("setresgid", "setresgid", "EAGAIN EINVAL EPERM"),
    row("setresuid", "setresuid", "EAGAIN EINVAL EPERM"),
    row("capset", "capset", "EFAULT EINVAL EPERM"),
    row("landlock_create_ruleset", "landlock_create_ruleset", "EOPNOTSUPP EINVAL E2BIG EFAULT EMFILE ENOMSG ENOSYS"),
    row("landlock_add_rule", "landlock_add_rule", "EOPNOTSUPP EINVAL ENOMSG EBADF EBADFD EPERM EFAULT"),
    row("landlock_restrict_self", "landlock_restrict_self", "EOPNOTSUPP EINVAL EBADF EBADFD EPERM E2BIG"),
    row("seccomp", "seccomp", "EACCES EBUSY EFAULT EINVAL ENOMEM EOPNOTSUPP ESRCH ENOSYS"),
    # io_uring, and its requests: a request fails through its completion
    row("io_uring_setup", "io_uring_setup io_uring_queue_init_params", "EFAULT EINVAL EMFILE ENFILE ENOMEM EPERM"),
    row("io_uring_register",
        "io_uring_register io_uring_register_buf_ring io_uring_register_restrictions io_uring_enable_rings",
        "EACCES EBADF EBUSY EEXIST EFAULT EINVAL EMFILE ENOMEM ENXIO EOPNOTSUPP EPERM"),
    row("io_uring_enter",
        "io_uring_enter io_uring_submit io_uring_submit_and_get_events io_uring_submit_and_wait"
        " io_uring_submit_and_wait_timeout",
        "EAGAIN EBADF EBADFD EBADR EBUSY EFAULT EINTR EINVAL ENOMEM ENXIO EOPNOTSUPP"),
    row("uring_recv", "uring_recv",
        "EAGAIN EBADF ECANCELED EINTR EINVAL ENOBUFS ENOMEM ECONNRESET ECONNABORTED ETIMEDOUT EHOSTUNREACH"),
    row("uring_send", "uring_send", "EAGAIN EBADF EINTR EINVAL ENOBUFS ENOMEM ECONNRESET EPIPE ETIMEDOUT"),
    row("uring_poll", "uring_poll", "EBADF ECANCELED EINVAL ENOMEM"),
    # memory
    row("calloc", "calloc", "ENOMEM"),
    row("strdup", "strdup", "ENOMEM"),
    row("reallocarray", "reallocarray", "ENOMEM"),
    row("mmap", "mmap mmap64",
        "EACCES EAGAIN EBADF EEXIST EINVAL ENFILE ENODEV ENOMEM EOVERFLOW EPERM ETXTBSY"),
    row("mprotect", "mprotect", "EACCES EINVAL ENOMEM"),
    row("munmap", "munmap", "EINVAL"),
    row("madvise", "madvise", "EACCES EAGAIN EBADF EINVAL EIO ENOMEM EPERM"),
    row("setlocale", "setlocale", "ENOENT"),
]

BY_ALIAS = {alias: row for row in ROWS for alias in row.aliases}

# Calls of the program that no plan makes fail, by the reason.
CANNOT_FAIL = {
    "only a wrong argument makes it fail, and then an assert() ends the program":
        "clock_gettime sigaction sigprocmask rt_sigaction rt_sigprocmask sigaddset sigdelset sigemptyset"
        " sigfillset sigismember sigpending rt_sigpending sigismember",
    "it always succeeds":
        "sysconf geteuid getuid getpid gettid getenv unsetenv free freeaddrinfo freeifaddrs closedir dirfd fclose exit_group _exit set_robust_list"
        " set_tid_address setsid pthread_join gmtime_r pthread_cond_broadcast pthread_cond_wait pthread_mutex_lock"
        " pthread_mutex_unlock",
    "what it is given is in range": "strftime timegm",
    "it only fills a structure": "pthread_attr_init pthread_attr_setdetachstate pthread_attr_setstacksize"
        " posix_spawnattr_setflags posix_spawnattr_setsigdefault posix_spawnattr_setsigmask",
    "it says what is there, and closes": "io_uring_peek_batch_cqe io_uring_queue_exit",
    "its failure is its answer": "isatty inet_ntop getopt_long",
    "it moves nothing out of memory":
        "__assert_fail __ctype_b_loc __ctype_tolower_loc __ctype_toupper_loc __errno_location __snprintf_chk"
        " __vsnprintf_chk memcmp memcpy memset nl_langinfo sigabbrev_np snprintf sscanf __isoc99_sscanf strchr"
        " strcmp strcspn strerrordesc_np strerrorname_np strlen strncmp strnlen strrchr strspn strstr strtok_r"
        " strtod strtol strtoll strtoul strtoull vsnprintf memmove __memmove_chk memchr memmem memrchr bcmp stpcpy __sched_cpucount __memcpy_chk __sprintf_chk"
        " __popcountdi2 __udivti3 __strcat_chk strncat __strncat_chk strcasecmp strverscmp alphasort64 strptime timegm json_array_get json_array_size json_integer_value json_number_value"
        " json_object_get json_object_iter json_object_iter_key json_object_iter_next json_object_iter_value"
        " json_object_key_to_iter json_object_size json_string_length json_string_value",
    "it stands for calls that have rows of their own": "syscall",
    "it is no call":
        "_GLOBAL_OFFSET_TABLE_ __stack_chk_fail environ in6addr_loopback optarg opterr optind optopt __rseq_offset"
        " __rseq_size stdin stdout stderr __cpu_model",
    "what is written by stdio: ferror(3) tells afterwards":
        "__fprintf_chk __printf_chk __vfprintf_chk fprintf printf fputc fputs puts fwrite putc putchar ferror",
    "the kernel's has no errno: it fails by giving the old break": "brk",
    "behind it stands another way to the same end": "raise tgkill",
    "the C library's own, and it has another way": "futex getrandom restart_syscall rseq",
}

UNFAILING = {name for names in CANNOT_FAIL.values() for name in names.split()}

# Calls that can fail, but that no run here makes, by the command that makes them. A run that does make such a call
# fails, as for a call that is in no table.
NOT_IN_A_LIFE = {
    "clients that look up names, which tests/client drives": "pthread_detach",
    "ping and bench, which tests/client drives": "__isoc99_fscanf adjtimex aligned_alloc clock_nanosleep uname",
    "what is reported, by zlib, libresolv and jansson; tests/unit/report drives it":
        "__b64_ntop __b64_pton deflate deflateBound deflateEnd deflateInit2_ deflateReset inflate inflateEnd"
        " inflateInit_ inflateReset json_array json_array_append_new json_delete json_dumpf json_false json_integer"
        " json_null json_true json_object json_object_set_new json_object_update json_pack json_real json_sprintf json_string",
    "check, which tests/check drives": "posix_spawn posix_spawn_file_actions_adddup2 posix_spawn_file_actions_addopen"
        " posix_spawn_file_actions_destroy posix_spawn_file_actions_init posix_spawnattr_destroy posix_spawnattr_init"
        " prlimit64 scandir64",
    "report, which reads files and writes others; tests/report drives it": "asprintf __asprintf_chk fread __fread_chk"
        " faccessat fallocate fallocate64 fchmod fchown fgetxattr ftruncate ftruncate64 json_loadb malloc mkostemp"
        " mkostemp64 open_memstream qsort readlink __readlink_chk realloc rename strndup umask",
    "a log that has lines already, which tests/contract has": "pread pread64 __pread64_chk",
    "--max-per-source of engines with workers, which tests/contract drives": "dup recvmsg sendmsg socketpair",
}

UNTRIED = {name for names in NOT_IN_A_LIFE.values() for name in names.split()}

# ---- what is left out ----

# Engines that wait edge-triggered (epoll(7)). After a false EAGAIN such an engine would wait for ever.
AT_EDGES = {"epoll"}

# Operations of epoll_ctl(2), which torture.c uses as the detail.
EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD = 1, 2, 3

# The detail of a write to an eventfd.
EVENTFD = -2


def is_possible(call, alias, error, detail, engine, child):
    """Returns whether the kernel may return this error there."""
    if engine in AT_EDGES and child and call in ("recv", "send"):
        return error != "EAGAIN"
    if call == "epoll_ctl" and detail == EPOLL_CTL_ADD:
        return error != "ENOENT"
    if call == "epoll_ctl":
        # A descriptor that is removed or changed is in the poller: the call needs no memory, and its arguments were
        # right before.
        return error == ("ENOENT" if detail == EPOLL_CTL_DEL else "ENOMEM")
    if call == "write" and detail == EVENTFD:
        return False  # it takes 8 bytes until its counter is full, which wakes its reader too (eventfd(2))
    if alias == "recvmsg":
        # In getifaddrs(3), glibc takes these errors for a socket that other code has closed, and aborts.
        return error not in ("EBADF", "ENOTCONN", "ENOTSOCK", "ECONNREFUSED")
    return True


# Errors that the kernel returns only if they are true. The seam can also do what belongs to the error, strace
# cannot.
ONLY_WHERE_TRUE = {
    ("waitpid", "ECHILD"): "there are no children any more",
    ("connect", "EINTR"): "it goes on in the background",
    ("epoll_ctl", "EEXIST"): "it is waited for",
    ("epoll_ctl", "ENOENT"): "it is not waited for",
    ("connect", "EINPROGRESS"): "it goes on in the background",
    ("shutdown", "ENOTCONN"): "the connection is gone",
    ("close", "*"): "the descriptor is closed",
    **{
        ("send", error): "the connection is gone, for receiving too"
        for error in "EPIPE ECONNRESET ECONNABORTED ENOTCONN ETIMEDOUT EHOSTUNREACH ENETUNREACH".split()
    },
}
