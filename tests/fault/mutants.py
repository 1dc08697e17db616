# SPDX-License-Identifier: MIT
"""Builds in which the handling of one error is broken: the torture must find every one of them."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent


class Mutant(NamedTuple):
    """The text that is replaced in a file of src, and the cases in which the change must show."""

    what: str
    file: str
    old: str
    new: str
    cases: str


MUTANTS = [
    Mutant("accept: ECONNABORTED is none of the client's own errors", "net/accept.c",
           "	case ECONNABORTED:\n", "", "serve inside 0 accept4 * ECONNABORTED"),
    Mutant("accept: EMFILE is answered by calling again at once", "net/accept.c",
           "	case EMFILE:\n", "		return ACCEPT_NEXT;\n	case EMFILE:\n		return ACCEPT_NEXT;\n",
           "serve outside 0 accept4 * EMFILE"),
    Mutant("accept: ENOMEM ends the service", "net/accept.c",
           "	case ENOMEM:\n", "		return ACCEPT_PAUSE;\n	case ENOMEM:\n		return ACCEPT_LOST;\n",
           "serve inside 0 accept4 * ENOMEM"),
    Mutant("recv: EINTR is an error", "net/io.c",
           "flags);\n		if (n >= 0)\n			return n;\n		if (errno != EINTR)\n",
           "flags);\n		if (n >= 0)\n			return n;\n", "serve inside 1 recv * EINTR"),
    Mutant("send: EAGAIN is an error", "server/blocking/session.c",
           "	else if (n != -EAGAIN)\n		fail(session, (int)n);\n	else if (session->is_aborting)\n",
           "	else if (n != 0)\n		fail(session, (int)n);\n	else if (session->is_aborting)\n",
           "serve inside 1 send * EAGAIN"),
    Mutant("poll: EINTR is an error", "net/io.c",
           "if (ready < 0 && errno != EINTR)", "if (ready < 0)", "serve inside 0 poll * EINTR"),
    Mutant("poll: ENOMEM ends the service", "net/io.c",
           "shortages++ < SHORTAGE_TRIES", "shortages++ < 0", "serve inside 0 poll * ENOMEM"),
    Mutant("fork: EAGAIN is not waited out", "server/admission.c",
           '	admission_pause(admission, "cannot start serving a client", code);\n', "",
           "serve inside 0 clone * EAGAIN"),
    Mutant("fork: after EAGAIN the client is counted for ever", "server/admission.c",
           "	client_table_remove(&admission->server->clients, client);\n	admission_pause",
           "	admission_pause", "serve inside 0 clone * EAGAIN"),
    Mutant("epoll_ctl: a shortage ends a worker", "server/workers/worker.c",
           "	if (err_is_shortage(rc)) {", "	if (false) {", "serve-epoll inside * epoll_ctl * ENOMEM"),
    Mutant("recv: a shortage ends a conversation", "server/events/conn.c",
           "		echo_ended(&conn->echo);\n	} else if (err_is_shortage((int)n)) {",
           "		echo_ended(&conn->echo);\n	} else if (false) {", "serve-epoll inside * recv * ENOMEM"),
    Mutant("io_uring_enter: a shortage ends a worker", "server/engines/uring.c",
           "	if (uring_is_shortage(rc))\n", "	if (false)\n", "serve-uring inside * io_uring_submit_and_wait * ENOMEM"),
    Mutant("ring: a receive without memory ends a conversation", "server/engines/uring.c",
           "done->result < 0 && !err_is_shortage(done->result) &&", "done->result < 0 &&",
           "serve-uring inside * uring_recv * ENOMEM"),
    Mutant("pthread_create: EAGAIN takes the client's place for ever", "server/engines/thread.c",
           "	if (rc < 0)\n		admission_put_back(&engine->worker->admission, client, rc);\n",
           "	ignore_result(rc);\n",
           "serve-thread inside * pthread_create * EAGAIN"),
    Mutant("waitpid: ECHILD is an error", "net/fork.c",
           " || (pid < 0 && errno == ECHILD)", "", "serve inside 0 waitpid * ECHILD"),
    Mutant("waitpid: EINTR is an error", "net/fork.c",
           "while (pid < 0 && errno == EINTR);\n	if (pid == 0", "while (0);\n	if (pid == 0",
           "serve inside 0 waitpid * EINTR"),
    Mutant("close_range: without it a child keeps all descriptors", "net/fork.c",
           "	if (first > last || close_range(first, last, 0) == 0)\n		return;\n",
           "	if (first > last || close_range(first, last, 0) <= 0)\n		return;\n",
           "serve inside 1 close_range * ENOSYS"),
    Mutant("log: a full disk ends the server", "base/log.c",
           "	return n > 0 ? (size_t)n : 0;\n", "	return n > 0 ? (size_t)n : (_exit(1), 0);\n",
           "serve inside 0 write * ENOSPC"),
    Mutant("log: EINTR loses a line", "base/log.c",
           "while (n < 0 && errno == EINTR);\n	sink", "while (0);\n	sink", "serve inside 0 write * EINTR"),
    Mutant("calloc: NULL is used", "net/proctitle.c",
           "	if (moved == NULL)\n		return;\n", "", "serve inside 0 calloc"),
    Mutant("getaddrinfo: the cause is lost", "net/addr.c",
           "		return resolver_code(eai, errno);", "		return ERR_RESOLVER;", "talk inside 0 getaddrinfo"),
    Mutant("connect: EINTR is an error", "net/connect.c",
           "errno == EINPROGRESS || errno == EINTR", "errno == EINPROGRESS", "talk inside 0 connect * EINTR"),
    Mutant("talk: a send that failed leaves the server waiting", "client/talk.c",
           "int rc = io_send_end(talk->fd);", "int rc = talk->send_code != 0 ? 0 : io_send_end(talk->fd);",
           "talk inside 0 send 1 ENOMEM"),
    Mutant("talk: a write that failed is forgotten", "client/talk.c",
           "	if (n < 0) {\n		talk->output_size = 0;\n", "	if (n < 0) {\n		talk->output_size = 0;\n		return;\n",
           "talk outside 0 write * ENOSPC"),
]


def copy_tree(root, copy):
    """Copies everything except build directories."""
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns("build*", ".git", "__pycache__"), dirs_exist_ok=True)


def build(copy):
    subprocess.run(["ninja", "-C", str(copy / "build"), "--quiet"], check=True, stdout=subprocess.DEVNULL)


def is_found(copy, mutant):
    """Builds the mutant and runs the torture on it. Returns whether it is found."""
    path = copy / "src" / mutant.file
    text = path.read_text()
    if text.count(mutant.old) != 1:
        print(f"{mutant.file} has no such text, or more than one of it: {mutant.old!r}")
        return False
    path.write_text(text.replace(mutant.old, mutant.new))
    try:
        build(copy)
        run = subprocess.run(
            [sys.executable, HERE / "torture.py", "--build", copy / "build", "--only", mutant.cases, "--shallow", "6"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    finally:
        path.write_text(text)
    # A run that fails without a fault is a find as well.
    return run.returncode != 0 and ("FAILED" in run.stdout or "fails without a fault" in run.stdout)


def find_all(root):
    """Returns (number found, number of mutants)."""
    found = 0
    with tempfile.TemporaryDirectory(prefix="tcpecho-mutants-") as directory:
        copy = pathlib.Path(directory)
        copy_tree(root, copy)
        subprocess.run(["meson", "setup", "build", "-Dtests=enabled"], cwd=copy, check=True, stdout=subprocess.DEVNULL)
        build(copy)
        for mutant in MUTANTS:
            is_caught = is_found(copy, mutant)
            found += is_caught
            print(f"{'found ' if is_caught else 'MISSED'} {mutant.what}", flush=True)
    print(f"{found} of {len(MUTANTS)} broken builds found")
    return found, len(MUTANTS)
