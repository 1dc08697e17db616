# SPDX-License-Identifier: MIT
"""Fixtures of all tests that test from outside the process."""
import os
import pathlib
import resource
import signal

import pytest

from ctests import pytest_collect_file  # noqa: F401 (a hook)
from harness import Server, Talk, cleanup, has_ipv6, is_sanitized
from leftovers import adopt_orphans, nothing_left, own_directory  # noqa: F401 (a fixture)
from netns import enter_own_network, own_network  # noqa: F401 (a fixture)
from shortages import LoneUser
from watchdog import no_hang  # noqa: F401 (a fixture)

ROOT = pathlib.Path(__file__).resolve().parent.parent


# Environment variables that would change what the program does, or what other programs print.
MISLEADING = ("COLUMNS", "INVOCATION_ID", "JOURNAL_STREAM", "LANGUAGE", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
              "NOTIFY_SOCKET", "NO_COLOR")


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: it measures, or changes what all tests share: nothing runs beside it")
    config.addinivalue_line("markers", "background: a fixture of the module runs something beside the test")
    worker = getattr(config, "workerinput", {}).get("workerid", "")
    set_surroundings(is_worker=bool(worker))
    config.tcpecho_directory = own_directory(worker)
    adopt_orphans()
    if "TCPECHO_PACKAGES" not in os.environ:  # containers have their own networks, made from this machine's network
        enter_own_network()


def set_surroundings(is_worker):
    """Sets the same environment for every run, whatever a shell, nohup or a service manager has set."""
    for name in [*os.environ]:
        if name in MISLEADING or name.startswith(("TCPECHO_SERVE_", "TCPECHO_TALK_", "TCPECHO_PING_", "TCPECHO_BENCH_",
                                                  "TCPECHO_REPORT_")):
            del os.environ[name]
    os.environ["LC_ALL"] = "C.UTF-8"
    # A user's PATH has no sbin directories in Debian.
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # If a signal is ignored, a handler that does nothing replaces that: started processes then have the default
    # action again (execve(2)). A worker of pytest-xdist must ignore what its parent ignores.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2,
                   signal.SIGCHLD, signal.SIGALRM, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTSTP):
        if signal.getsignal(number) == signal.SIG_IGN or (is_worker and number == signal.SIGHUP):
            signal.signal(number, lambda *_: None)


def pytest_collection_modifyitems(items):
    # The longest tests start first: each keeps one process of pytest-xdist to itself.
    items.sort(key=lambda item: item.get_closest_marker("background") is None)


def pytest_addoption(parser):
    parser.addoption(
        "--build", default=os.environ.get("TCPECHO_BUILD", str(ROOT / "build")), help="the build directory to test"
    )


@pytest.fixture(scope="session")
def build(request):
    """The build directory."""
    return pathlib.Path(request.config.getoption("--build")).resolve()


@pytest.fixture(scope="session")
def program(build):
    """The program under test."""
    path = build / "tcpecho"
    assert path.exists(), f"{path} is not built: ./dev build"
    return str(path)


@pytest.fixture(scope="session")
def sanitized(program):
    return is_sanitized(program)


@pytest.fixture
def ipv6():
    """Skips the test where there is no IPv6."""
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")


@pytest.fixture
def lone_user():
    """A user id that nothing else uses (shortages.py)."""
    made = LoneUser()
    yield made
    made.remove()


@pytest.fixture
def serve(program, tmp_path):
    """Starts servers, as serve("--max-clients", "2", ..., "127.0.0.1:0"), and ends them after the test."""
    servers = []

    def start(*arguments, **more):
        server = Server(program, tmp_path, arguments or ("127.0.0.1:0",), **more)
        servers.append(server)
        return server

    yield start
    cleanup(servers)


@pytest.fixture
def server(serve):
    """One server on a free port of 127.0.0.1."""
    return serve("127.0.0.1:0")


@pytest.fixture
def talk(program):
    """Runs `talk`, as talk(server, input=b"...") or talk("host", "port")."""
    talks = []

    def run(*arguments, **more):
        client = Talk(program, arguments, **more)
        talks.append(client)
        return client

    yield run
    cleanup(talks)
