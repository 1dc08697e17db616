# SPDX-License-Identifier: MIT
"""The expected results of failed calls: a few rules, of which the first match counts.

An exception stands above the rule that it is an exception to. Every rule gives its reason.
"""
import errno
import os
from enum import Enum
from typing import NamedTuple, Optional


class Kind(Enum):
    """The result of a failed call as a user sees it."""

    UNHARMED = "made again, waited for, or done without: no effect"
    LINE_LOST = "lines of the log are lost, and nothing else"
    PAUSED = "clients wait, a warning says why, all are served"
    LESS = "it goes on with less, and a warning says why"
    NOTICED = "it goes on with less, and a line says why"
    CLIENT = "one client's conversation ends, and its line says why"
    WORKER = "a worker ends and with it its clients, with a reason in their lines; another one replaces it"
    LATE = "all is done, then the exit status and a sentence say what failed"
    REFUSED = "it does not start: exit status and sentence"
    ENDS = "it ends: exit status and sentence"
    QUIET_END = "it ends by SIGPIPE, without a word"


class Outcome(NamedTuple):
    """words: a regular expression for the message, or the reason of a client's end; "" if there is no message."""

    kind: Kind
    status: int = 0
    words: str = ""


class Rule(NamedTuple):
    calls: str
    errors: str
    outcome: Outcome
    why: str
    child: Optional[bool] = None  # True: only a child of the server; False: only the first process
    when: str = ""  # only in "start", "serving" or "draining"
    detail: tuple = ()  # only with one of these details


# ---- words ----

# Texts that the C library does not have, or has for another code.
SENTENCES = {
    "EAI_NONAME": "no such host",
    "EAI_NODATA": "no such host",
    "EAI_AGAIN": "no name server answered",
    "EAI_ADDRFAMILY": "the host has no address of that family",
    "EAI_FAMILY": "the host has no address of that family",
    "EAI_MEMORY": "cannot allocate memory",
    "EAI_SYSTEM": "too many open files in system",  # the errno that the seam sets with it
}


def cause(name, call=""):
    """Returns the text of an error as a part of a sentence."""
    if (call, name) == ("epoll_ctl", "ENOSPC"):
        return r"no more descriptors can be waited for \(raise fs.epoll.max_user_watches\)"
    if name.startswith("EAI_"):
        return SENTENCES.get(name, "the name could not be looked up")
    text = os.strerror(getattr(errno, name))
    return text[0].lower() + text[1:] if text[1].islower() else text


# Close reasons of a conversation (server/close_reason.h).
REASONS = {
    "reset": "ECONNRESET EPIPE ECONNABORTED",
    "timeout": "ETIMEDOUT EHOSTUNREACH ENETUNREACH EHOSTDOWN ENETDOWN",
}


def reason_of(name):
    """Returns the logged reason of a connection that ended by this error."""
    for reason, names in REASONS.items():
        if name in names.split():
            return reason
    return f"error error={name}"


# ---- the server ----

UNHARMED = Outcome(Kind.UNHARMED)
LINE_LOST = Outcome(Kind.LINE_LOST)
CLIENT = Outcome(Kind.CLIENT)
CANNOT_LISTEN = Outcome(Kind.REFUSED, 4, "cannot listen on .*: {cause}")
NO_FREE_PORT = Outcome(Kind.REFUSED, 4, "cannot listen on .*: (no port is free|address already in use|invalid arg)")
TAKEN = Outcome(Kind.REFUSED, 4, "cannot listen on unix:.*: address already in use")
NOT_LOOKED_UP = Outcome(Kind.REFUSED, 4, "cannot listen on unix:.*: (address already in use|{cause})")
CANNOT_START = Outcome(Kind.REFUSED, 4, "cannot start serving: {cause}")
CANNOT_GO_ON = Outcome(Kind.ENDS, 4, "cannot continue serving: {cause}")
LISTENER_LOST = Outcome(Kind.ENDS, 4, "cannot accept on .*: {cause}")

PATH_LEFT = Outcome(Kind.LESS, 0, "warning: cannot remove unix:.*: {cause}")

AF_UNIX, AF_INET6, AF_NETLINK = 1, 10, 16
NO_DIRECTORY, DIRECTORY = 0, 1
STANDARD_FDS = (0, 1, 2)
ROOT = 1

SERVE_RULES = [
    Rule("accept read recv send poll write waitpid flock", "EINTR", UNHARMED, "interrupted by a signal: made again"),
    Rule("recv send read accept", "EAGAIN", UNHARMED, "nothing there, or no room: it waits"),
    Rule("recv send", "ENOMEM ENOBUFS", UNHARMED, "a shortage ends no conversation: it is waited out"),

    # the start
    Rule("calloc strdup", "*", UNHARMED, "without memory a child's title stays as it is (net/proctitle.h)"),
    Rule("setlocale", "*", UNHARMED, "the C locale does"),
    Rule("fcntl", "*", UNHARMED, "a standard descriptor that seems closed is opened", detail=STANDARD_FDS),
    Rule("fcntl", "*", Outcome(Kind.REFUSED, 2, "cannot write to --ready-fd .*: it is not open"),
         "the caller named a descriptor that is not open"),
    Rule("flock", "EAGAIN", UNHARMED, "another server is starting: it waits"),
    Rule("open", "*", CANNOT_LISTEN, "a stale path is replaced under the lock of its directory alone",
         detail=(DIRECTORY,)),
    Rule("flock", "*", CANNOT_LISTEN, "the same"),
    Rule("open dup fstat fstatfs ioctl lseek", "*", UNHARMED, "an output that cannot be opened anew is copied (net/writer.h)"),
    Rule("setrlimit", "*", Outcome(Kind.LESS, 0, r"warning: at most \d+ clients? instead of \d+"),
         "the limit of descriptors stays as low as it is"),
    Rule("fopen fgets getline getrlimit opendir readdir pread", "*", UNHARMED,
         "a limit that cannot be known is none (net/sysinfo.h)"),
    Rule("signalfd mmap", "*", CANNOT_START, "no signals, no table of clients: nothing can be served"),
    Rule("getaddrinfo", "EAI_MEMORY EAI_SYSTEM", CANNOT_LISTEN, "this machine is short of something"),
    Rule("getaddrinfo", "*", Outcome(Kind.REFUSED, 3, "cannot listen on .*: {cause}"), "unresolved is status 3"),
    Rule("getifaddrs", "*", UNHARMED, "it is tried whether there is IPv6, and whether the address is a broadcast address"),
    Rule("socket bind", "EAFNOSUPPORT EADDRNOTAVAIL EACCES EPERM", UNHARMED,
         "without IPv6 the wildcard is that of IPv4", detail=(AF_INET6,)),
    Rule("connect", "ECONNREFUSED", UNHARMED, "a path without a listener is taken over", detail=(AF_UNIX,)),
    Rule("connect", "*", TAKEN, "whether a path is stale cannot be found out: it counts as taken", detail=(AF_UNIX,)),
    Rule("madvise", "*", UNHARMED, "a child costs a little more (net/fork.h)"),
    Rule("setsockopt", "*", UNHARMED, "it only waits longer, or is asked with others", when="serving"),
    Rule("setsockopt shutdown", "*", UNHARMED, "new connections are stopped in another way (net/listen.c)",
         child=False, when="draining"),
    Rule("bind listen", "EADDRINUSE", NO_FREE_PORT, "every port that the kernel gives away is taken"),
    Rule("socket setsockopt bind listen getsockname", "*", CANNOT_LISTEN, "what cannot be had is refused at the start"),
    Rule("pipe", "*", CANNOT_START, "children could not be aborted", child=False),
    Rule("waitpid", "ECHILD", UNHARMED, "the child that was tried is gone", when="start"),
    Rule("fork waitpid", "*", CANNOT_START, "a child cannot be had, so no client can be served", when="start"),

    # change of user: --user
    Rule("getpwnam", "EIO EMFILE ENFILE ENOMEM", Outcome(Kind.REFUSED, 2, "--user nobody: {cause}"),
         "the user could not be looked up"),
    Rule("getpwnam", "*", Outcome(Kind.REFUSED, 2, "--user nobody: no such user"), "several codes stand for not found"),
    Rule("getpwuid", "EIO EMFILE ENFILE ENOMEM", Outcome(Kind.REFUSED, 4, "cannot become user .*: {cause}"),
         "the user could not be looked up"),
    Rule("getpwuid", "*", Outcome(Kind.REFUSED, 4, "cannot become user .*: no such user"),
         "several codes stand for not found"),
    Rule("setresuid", "*", UNHARMED, "so it must be: it cannot be root again", detail=(ROOT,)),
    Rule("getgrouplist", "*", UNHARMED, "it is asked again, with more room"),
    Rule("reallocarray", "*", Outcome(Kind.REFUSED, 4, "cannot become user .*: {cause}"), "the groups are not known"),
    Rule("setgroups setresgid setresuid", "*", Outcome(Kind.REFUSED, 4, "cannot become user .*: {cause}"),
         "it must not serve with rights that it was to give up"),
    Rule("getresuid getresgid", "*", Outcome(Kind.REFUSED, 4, "cannot become user .*: root can be regained"),
         "it cannot be sure that it is only that user"),
    Rule("capget", "*", UNHARMED, "then the rights are given up unseen (net/privileges.c)"),

    Rule("prctl capset", "*", Outcome(Kind.REFUSED, 4, "cannot give up rights: {cause}"),
         "it promises to have no right that it does not need"),
    Rule("landlock_create_ruleset landlock_add_rule landlock_restrict_self", "*",
         Outcome(Kind.NOTICED, 0, "running without Landlock: {cause}"), "not every kernel has it (server/sandbox.h)"),
    Rule("seccomp", "*", Outcome(Kind.NOTICED, 0, "running without seccomp: {cause}"),
         "not every kernel has it (server/sandbox.h)", child=False),
    Rule("seccomp", "*", CLIENT,
         "a child without its list must not serve (server/sandbox.h)", child=True),

    # the log, and --ready-fd
    Rule("write", "*", LINE_LOST, "it is counted, and the next line says how many (base/log.h)", detail=(2,)),
    Rule("write", "EAGAIN", UNHARMED, "it is written when there is room (server/ready.h)"),
    Rule("write", "*", Outcome(Kind.REFUSED, 4, "cannot write to --ready-fd .*: {cause}"),
         "the reader of the addresses would wait for ever"),
    Rule("fflush", "EPIPE", Outcome(Kind.QUIET_END, -13), "a reader that is gone ends it (main.c)"),
    Rule("fflush", "*", Outcome(Kind.LATE, 4, "cannot write standard output: {cause}"),
         "a full disk is no success (main.c)"),

    # the parent process
    Rule("accept", "EMFILE ENFILE ENOBUFS ENOMEM ENOSR ESOCKTNOSUPPORT EPROTONOSUPPORT",
         Outcome(Kind.PAUSED, 0, "warning: cannot accept: {cause}, clients wait"),
         "short of something, or unknown: calling again at once would spin (net/accept.c)"),
    Rule("accept", "EBADF EFAULT EINVAL ENOTSOCK", LISTENER_LOST, "the listening socket is lost: only a bug does that"),
    Rule("accept", "*", UNHARMED, "the error of one connection that went with it (accept(2))"),
    Rule("fork", "*", Outcome(Kind.PAUSED, 0, "warning: cannot start serving a client: {cause}, clients wait"),
         "a limit of processes or memory: the client waits (server/admission.h)"),
    Rule("waitpid", "ECHILD", UNHARMED, "all children are reaped"),
    Rule("waitpid", "*", CANNOT_GO_ON, "children could not be counted any more: only a bug does that"),
    Rule("poll", "ENOMEM", UNHARMED, "no memory for a moment is no reason to end (net/io.c)"),
    Rule("poll", "*", CANNOT_GO_ON, "it could only spin", child=False),
    Rule("read", "*", UNHARMED, "the signal stays pending", child=False),
    Rule("getsockopt", "*", UNHARMED, "only a name in the log (net/accept.h)", child=False),
    Rule("lstat unlink", "ENOENT", UNHARMED, "another process has removed it"),
    Rule("lstat unlink", "*", PATH_LEFT, "the next start takes its place", when="draining"),
    Rule("lstat unlink", "*", PATH_LEFT, "the same, with no time to drain", when="serving"),
    Rule("munmap close lstat kill", "*", UNHARMED, "nothing depends on it: a path may stay behind"),

    # a child
    Rule("close_range", "*", UNHARMED, "an old kernel: one by one (net/fork.c)", child=True),
    Rule("shutdown", "ENOTCONN", UNHARMED, "gone already: it needs no FIN (net/io.h)", child=True),
    Rule("ioctl", "*", UNHARMED, "what is on its way cannot be known: it does not stay for it", child=True),
    Rule("recv send poll shutdown getsockopt", "*", CLIENT, "only this client's connection is concerned", child=True),
]

# Some calls with the same name and detail have two meanings. These are the rules for the second meaning.
SERVE_ALSO = [
    Rule("readdir", "ENOENT", Outcome(Kind.LESS, 0, r"warning: at most \d+ clients? instead of \d+"),
         "the C library takes it for the end: fewer descriptors seem open, and the limit is raised less"),
    Rule("bind listen", "EADDRINUSE", UNHARMED, "another port is tried; or the path is stale"),
    Rule("socket", "*", TAKEN, "whether a path is stale cannot be found out", detail=(AF_UNIX,)),
    Rule("open", "*", Outcome(Kind.REFUSED, 4, "cannot open /dev/null: {cause}"),
         "with a standard descriptor closed, a socket would take its number", when="start", detail=(NO_DIRECTORY,)),
    Rule("fcntl", "*", UNHARMED, "of an output that is written to as it is (net/writer.h)"),
    Rule("lstat", "*", NOT_LOOKED_UP, "whether a path is stale cannot be found out", when="start"),
    Rule("unlink", "ENOENT", TAKEN, "it was said to be gone, and is not", when="start"),
    Rule("unlink", "*", CANNOT_LISTEN, "the path cannot be removed", when="start"),
    Rule("open", "*", PATH_LEFT._replace(words="warning: cannot remove unix:.*: permission denied"),
         "Landlock has no rule for the directory"),
    Rule("getsockopt", "*", UNHARMED, "only whether to stay for the last byte", child=True),
    Rule("accept", "EBADF EFAULT EINVAL ENOTSOCK", Outcome(Kind.LATE, 0, "cannot accept on .*: {cause}"),
         "it ends anyway, and no client was left", when="draining"),
    Rule("poll", "*", UNHARMED, "a look into an accept queue, which is made again", child=False),
]

SERVE_THIRD = [
    Rule("accept", "*", UNHARMED, "the last look into a queue that is closed", when="draining"),
]

# ---- a server with workers ----

WORKER = Outcome(Kind.WORKER, 0, r"warning: worker \d+ failed: {cause}, and with it (\d+) clients?(; another worker replaces it)?")
NEW_WORKER = WORKER._replace(words=WORKER.words.replace(r"(\d+)", "(0)"))
NO_WORKER = Outcome(Kind.PAUSED, 0, "warning: cannot start a worker: {cause}, clients wait")
SHORT = Outcome(Kind.PAUSED, 0, "warning: cannot (start serving|wait for|continue with) .*: {cause}, clients wait")
UNUSABLE = Outcome(Kind.REFUSED, 4, "engine uring cannot be used here: .*")

ADD, DEL = 1, 2
SHORTAGE = "ENOMEM ENOBUFS ENOSPC"

# The first process of an engine with workers. These rules come before the rules above, which hold for what it does
# like the fork engine.
SUPERVISOR_RULES = [
    Rule("fork", "*", UNHARMED, "another worker serves, and this one is tried again", when="start"),
    Rule("fork", "*", NO_WORKER, "a limit of processes or memory: it is tried again, and others serve meanwhile"),
    Rule("eventfd pipe", "*", CANNOT_START, "it could not speak to its workers"),
    Rule("calloc", "*", UNHARMED, "a title stays as it is"),
    Rule("sched_getaffinity", "*", UNHARMED, "it counts the cores in another way (net/sysinfo.c)"),
    Rule("io_uring_setup io_uring_register", "*", UNUSABLE, "it is tried before anything else"),
    Rule("read write", "*", UNHARMED, "the news stays pending, and is looked for at the next turn"),
    Rule("shutdown", "*", UNHARMED, "a client may come in the last moment, as to any server (net/listen.c)"),
]
SUPERVISOR_ALSO = [
    Rule("fork waitpid", "*", CANNOT_START, "it was the only worker, or none can be counted"),
    Rule("calloc", "*", CANNOT_START, "no room for what is known of a worker"),
    Rule("io_uring_setup io_uring_register", "ENOMEM", UNHARMED, "a smaller ring does"),
    Rule("write", "*", LINE_LOST, "no reader is left (base/log.c)"),
    Rule("poll", "*", UNHARMED, "a look into an accept queue, which is made again"),
    Rule("mmap", "*", UNUSABLE, "of the ring that is tried before anything else"),
]

SUPERVISOR_THIRD = [
    Rule("write", "*", Outcome(Kind.REFUSED, 4, "cannot write to --ready-fd .*: {cause}"),
         "when its first worker is ready", when="start"),
    Rule("calloc", "*", UNUSABLE, "of the ring that is tried before anything else"),
]

# A worker. A call with several purposes may have several outcomes: one rule of each table.
WORKER_RULES = [
    Rule("accept read recv send poll write epoll_wait io_uring_enter", "EINTR", UNHARMED, "made again"),
    Rule("recv send read accept io_uring_enter", "EAGAIN", UNHARMED, "it waits"),
    Rule("recv send poll epoll_ctl", SHORTAGE, UNHARMED, "a shortage ends no conversation: it is waited out"),
    Rule("epoll_ctl", "EPERM", CANNOT_START, "a policy forbids it: another worker cannot do it either", when="start"),
    Rule("io_uring_enter", "EBUSY ENOMEM", UNHARMED, "the same"),
    Rule("uring_recv uring_send uring_poll", "EAGAIN EINTR ENOMEM ENOBUFS ECANCELED", UNHARMED, "made again"),
    Rule("pthread_create fork mprotect", "*", SHORT, "a limit of threads or memory: the client waits (server/admission.h)"),
    Rule("accept", "EMFILE ENFILE ENOBUFS ENOMEM ENOSR ESOCKTNOSUPPORT EPROTONOSUPPORT",
         Outcome(Kind.PAUSED, 0, "warning: cannot accept: {cause}, clients wait"), "as in the fork engine"),
    Rule("accept", "EBADF EFAULT EINVAL ENOTSOCK", WORKER._replace(words=WORKER.words.replace("{cause}", ".*")),
         "the listening socket is lost: only a bug does that"),
    Rule("accept", "*", UNHARMED, "the error of one connection that went with it (accept(2))"),
    Rule("epoll_ctl", "*", UNHARMED, "it was taken out, or is asked again", detail=(DEL,)),
    Rule("epoll_ctl epoll_wait epoll_create io_uring_enter eventfd", "*", WORKER, "it could not wait: only a bug"),
    Rule("mmap io_uring_setup io_uring_register seccomp", "*", NEW_WORKER, "it cannot begin, and has no client yet"),
    Rule("recv send poll shutdown getsockopt", "*", CLIENT, "only this client's connection is concerned"),
    Rule("uring_recv uring_send uring_poll", "*", CLIENT, "the same"),
    Rule("write", "*", LINE_LOST, "no reader is left (base/log.c)", detail=(2,)),
    Rule("read", "*", UNHARMED, "a wake-up: the next one comes"),
    Rule("getrlimit ioctl close setsockopt listen munmap madvise lstat unlink calloc", "*", UNHARMED,
         "nothing depends on it"),
]
WORKER_ALSO = [
    Rule("accept", "EBADF EFAULT EINVAL ENOTSOCK", Outcome(Kind.LATE, 0, "cannot accept on .*: {cause}"),
         "it ends anyway", when="draining"),
    Rule("epoll_ctl io_uring_enter", "*", SHORT, "it pauses, and says why"),
    Rule("recv send poll", SHORTAGE, SHORT, "the same"),
    Rule("uring_recv uring_send uring_poll", "*", SHORT, "the same"),
    Rule("poll getsockopt shutdown", "*", UNHARMED, "not for a client, or it is asked again"),
    Rule("mmap io_uring_setup io_uring_register", "*", UNHARMED, "tried again, or there is another way"),
    Rule("fork", "ENOSYS", UNHARMED, "the C library has an older call"),
    Rule("mprotect", "*", UNHARMED, "the C library's memory, of which there is enough"),
    Rule("seccomp", "*", UNHARMED, "it has none to install"),
]
WORKER_THIRD = [
    Rule("epoll_ctl", SHORTAGE, NEW_WORKER, "it cannot begin, and has no client yet"),
    Rule("epoll_ctl io_uring_enter", "*", UNHARMED, "it was there already, or it is at its end"),
    Rule("uring_recv uring_send uring_poll", "*", UNHARMED, "the driver asks again"),
    Rule("mmap mprotect fork", "*", SHORT._replace(words=SHORT.words.replace("{cause}", ".*")), "of pthread_create(3)"),
    Rule("io_uring_setup", "ENOMEM", Outcome(Kind.LESS, 0, "warning: no memory for a ring .*"), "by readiness"),
]

# ---- the client ----

CANNOT_CONNECT = Outcome(Kind.ENDS, 3, "cannot connect to .*: {cause}")
MACHINE_CANNOT = Outcome(Kind.ENDS, 4, "cannot connect to .*: {cause}")
CAME_BACK = r": \d+ of \d+ bytes came back"

TALK_RULES = [
    Rule("read recv send poll write connect", "EINTR", UNHARMED, "interrupted by a signal: made again"),
    Rule("recv send read write", "EAGAIN", UNHARMED, "nothing there, or no room: it waits"),
    Rule("connect", "EINPROGRESS", UNHARMED, "that is how it waits"),

    Rule("calloc strdup setlocale", "*", UNHARMED, "there is no title to set, and the C locale does"),
    Rule("fcntl fstat lseek getsockname getpeername close", "*", UNHARMED, "only a precaution, or a decoration"),
    Rule("open dup fstatfs lseek", "*", UNHARMED, "an output that cannot be opened anew is copied (net/writer.h)"),

    Rule("getaddrinfo", "EAI_MEMORY EAI_SYSTEM", MACHINE_CANNOT, "this machine is short of something"),
    Rule("getaddrinfo", "*", CANNOT_CONNECT, "unresolved is status 3"),
    Rule("socket connect", "EMFILE ENFILE ENOBUFS ENOMEM EACCES EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EPERM",
         MACHINE_CANNOT, "this machine is short of something, or does not allow it"),
    Rule("socket connect setsockopt getsockopt", "*", CANNOT_CONNECT, "no connection is status 3"),

    Rule("poll", "ENOMEM", UNHARMED, "no memory for a moment is no reason to end (net/io.c)"),
    Rule("poll", "*", Outcome(Kind.ENDS, 4, "cannot wait for events: {cause}"), "it could only spin"),
    Rule("read", "*", Outcome(Kind.ENDS, 4, "cannot read standard input: {cause}"), "this end failed, not the echo"),
    Rule("write", "EPIPE", Outcome(Kind.QUIET_END, -13), "no reader wants the rest: `talk | head -1`"),
    Rule("write", "*", Outcome(Kind.ENDS, 4, "cannot write standard output: {cause}"), "whatever the echo was worth"),
    Rule("send", "EPIPE", Outcome(Kind.ENDS, 1, "server ended early" + CAME_BACK), "it takes no more, and has ended"),
    Rule("recv send", "ECONNRESET", Outcome(Kind.ENDS, 1, "server reset the connection" + CAME_BACK),
         "the server's doing"),
    Rule("recv send shutdown", "*", Outcome(Kind.ENDS, 1, "{cause}" + CAME_BACK), "the echo failed, and why"),
    Rule("fflush", "EPIPE", Outcome(Kind.QUIET_END, -13), "a reader that is gone ends it (main.c)"),
    Rule("fflush", "*", Outcome(Kind.LATE, 4, "cannot write standard output: {cause}"),
         "a full disk is no success (main.c)"),
]

TALK_ALSO = [
    Rule("poll", "*", CANNOT_CONNECT, "while it connects"),
    Rule("shutdown", "ENOTCONN", UNHARMED, "gone already: it needs no FIN (net/io.h)"),
    Rule("send", "EPIPE ECONNABORTED ENOTCONN ETIMEDOUT EHOSTUNREACH ENETUNREACH",
         Outcome(Kind.ENDS, 1, "server reset the connection" + CAME_BACK), "receiving met it first"),
    Rule("recv shutdown", "*", UNHARMED, "every byte was back"),
]

# ---- outside ----

# The shipped binary contains a C library that makes its own calls.
LIBRARY = [
    Rule("open read fstat mmap munmap lseek", "*", UNHARMED,
         "setlocale(3), stdio and malloc(3) have another way, or do without", child=False),
    Rule("ioctl", "*", UNHARMED, "isatty(3): then it is no terminal", child=False),
    Rule("socket bind", "*", UNHARMED, "getifaddrs(3): it is tried whether there is IPv6", detail=(AF_NETLINK,)),
    Rule("getsockname send recv", "*", UNHARMED, "getifaddrs(3), as well", when="start"),
]


def fits(rule, call, error, child, when, detail):
    return (
        call in rule.calls.split()
        and (rule.errors == "*" or error in rule.errors.split())
        and rule.child in (None, child)
        and rule.when in ("", when)
        and (not rule.detail or detail in rule.detail)
    )


def tables_of(program, engine, child):
    """Returns the tables; one rule in each counts."""
    if program == "talk":
        return [TALK_RULES, TALK_ALSO]
    if engine == "fork":
        return [SERVE_RULES, SERVE_ALSO, SERVE_THIRD]
    if child:
        return [WORKER_RULES, WORKER_ALSO, WORKER_THIRD]
    return [SUPERVISOR_RULES, SUPERVISOR_ALSO, SUPERVISOR_THIRD, SERVE_RULES, SERVE_ALSO, SERVE_THIRD]


def expected(program, engine, outside, call, error, child, when, detail):
    """Returns the allowed outcomes, usually one; empty if there is no rule."""
    tables = tables_of(program, engine, child)
    if outside:
        tables = [*tables, LIBRARY]
    found = []
    for table in tables:
        rule = next((rule for rule in table if fits(rule, call, error, child, when, detail)), None)
        if rule:
            words = rule.outcome.words.replace("{cause}", cause(error, call))
            found.append(rule.outcome._replace(words=words))
    return found
