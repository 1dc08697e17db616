# SPDX-License-Identifier: MIT
"""Which sockets an ADDRESS leads to, on machines of many kinds. Every refusal says what is wrong."""
import contextlib
import errno
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from activation import manager
from harness import TIMEOUT, Process, cleanup, parse_address, proc_state, recv_exactly, wait_until
from netns import set_sysctl, sysctl
from refusals import refuse
from starting import leave_stale
from private_files import own_etc

# The outcome does not depend on the engine: one is enough.
pytestmark = pytest.mark.engines("fork")

IPPROTO_MPTCP = 262

NOBODY = 65534


def is_served_at(line):
    family, address = parse_address(line)
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(TIMEOUT)
        sock.connect(address)
        sock.sendall(b"served?")
        return recv_exactly(sock, 7) == b"served?"


def refusal(serve, *arguments, **more):
    """Starts a server that must not start: (exit status, its last line)."""
    server = serve(*arguments, wait=False, **more)
    return server.wait(), server.log_lines()[-1]


def run(*words):
    subprocess.run(words, check=True, capture_output=True)


@pytest.fixture
def link(own_network):
    """An interface of the namespace, and its link-local address."""
    if not shutil.which("ip"):
        pytest.skip("ip is not installed")
    try:
        run("ip", "link", "add", "tcpecho0", "type", "veth", "peer", "name", "tcpecho1")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"cannot make an interface: {error.stderr.decode().strip()}")
    set_sysctl("net.ipv6.conf.tcpecho0.accept_dad", 0)  # the address can be used at once
    run("ip", "link", "set", "tcpecho0", "up")
    run("ip", "link", "set", "tcpecho1", "up")

    def find():
        words = ["ip", "-6", "-o", "address", "show", "dev", "tcpecho0", "-tentative"]
        shown = subprocess.run(words, capture_output=True, text=True)
        return re.findall(r"fe80\S+(?=/)", shown.stdout)

    return "tcpecho0", wait_until(find, "a link-local address")[0]


# ---- is there IPv6? ----


@pytest.mark.usefixtures("own_network")
def test_ipv6_that_is_off_in_general_and_on_for_loopback_is_served(serve):
    set_sysctl("net.ipv6.conf.all.disable_ipv6", 1)
    set_sysctl("net.ipv6.conf.lo.disable_ipv6", 0)
    run("ip", "address", "replace", "::1/128", "dev", "lo")
    assert serve("9877").addresses == ["[::]:9877"]
    assert is_served_at("[::1]:9877")
    assert is_served_at("127.0.0.1:9877")


def test_ipv6_that_is_on_for_one_interface_alone_is_served(serve, link):
    name, _ = link
    set_sysctl("net.ipv6.conf.all.disable_ipv6", 1)
    set_sysctl(f"net.ipv6.conf.{name}.disable_ipv6", 0)
    run("ip", "address", "add", "2001:db8::7/128", "dev", name, "nodad")
    set_sysctl("net.ipv6.conf.lo.disable_ipv6", 0)  # otherwise it could not be reached from here
    run("ip", "address", "flush", "dev", "lo", "scope", "host")
    assert serve("9877").addresses == ["[::]:9877"]
    assert is_served_at("[2001:db8::7]:9877")


@pytest.mark.usefixtures("own_network")
def test_where_the_wildcard_is_for_ipv6_alone_it_takes_ipv4_too(serve):
    set_sysctl("net.ipv6.bindv6only", 1)
    assert serve("9877").addresses == ["[::]:9877"]
    assert is_served_at("[::1]:9877")
    assert is_served_at("127.0.0.1:9877")


@pytest.mark.usefixtures("own_network")
@pytest.mark.parametrize("error", [errno.EAFNOSUPPORT, errno.EPERM, errno.EACCES])
def test_where_sockets_of_ipv6_are_refused_the_wildcard_is_that_of_ipv4(serve, error):
    server = serve("9877", preexec=refuse("socket", error, socket.AF_INET6))
    assert server.addresses == ["0.0.0.0:9877"]
    assert is_served_at("127.0.0.1:9877")


@pytest.mark.usefixtures("own_network")
def test_without_proc_the_wildcard_takes_ipv6(serve):
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("cannot make a mount namespace")
    hidden = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")
    assert serve("9877", prefix=hidden).addresses == ["[::]:9877"]
    assert is_served_at("[::1]:9877")
    assert is_served_at("127.0.0.1:9877")


# ---- one port for all ----


@pytest.mark.usefixtures("own_network")
def test_port_0_of_a_name_is_a_port_that_is_free_on_all_of_its_addresses(serve, tmp_path):
    set_sysctl("net.ipv4.ip_local_port_range", "40000 40019")
    prefix = own_etc(tmp_path, hosts="127.0.0.1 both\n::1 both\n", nsswitch_conf="hosts: files\n")
    with contextlib.ExitStack() as stack:
        for port in range(40000, 40019):
            stack.enter_context(socket.create_server(("127.0.0.1", port)))
        for _ in range(3):
            server = serve("both:0", prefix=prefix)
            assert sorted(server.addresses) == ["127.0.0.1:40019", "[::1]:40019"]
            assert server.end() == 0
        stack.enter_context(socket.create_server(("127.0.0.1", 40019)))
        status, line = refusal(serve, "both:0", prefix=prefix)
        assert status == 4
        assert line.startswith("tcpecho: cannot listen on both port 0: no port is free (")


@pytest.mark.usefixtures("own_network")
@pytest.mark.parametrize("address", ["0", "127.0.0.1:0"])
def test_a_shortage_of_ports_is_an_error(serve, address):
    set_sysctl("net.ipv4.ip_local_port_range", "40000 40001")
    with socket.create_server(("127.0.0.1", 40000)), socket.create_server(("127.0.0.1", 40001)):
        status, line = refusal(serve, address)
    assert status == 4
    assert re.match(r"tcpecho: cannot listen on .*port 0: no port is free \(", line)


# ---- twice ----


@pytest.mark.usefixtures("own_network")
@pytest.mark.parametrize("first, second", [("0.0.0.0:9877", "[::]:9877"), ("[::]:9877", "0.0.0.0:9877")])
def test_the_wildcards_of_both_families_can_be_given(serve, first, second):
    server = serve(first, second)
    assert server.addresses == [first, second]
    assert is_served_at("[::1]:9877")
    assert is_served_at("127.0.0.1:9877")


@pytest.mark.usefixtures("own_network")
@pytest.mark.parametrize(
    "first, second, said",
    [
        ("127.0.0.1:9877", "127.0.0.1:9877", "127.0.0.1 port 9877"),
        ("127.0.0.1:9877", "127.1:9877", "127.1 port 9877"),
        ("9877", ":9877", "port 9877"),
        ("9877", "[::]:9877", ":: port 9877"),
        ("9877", "127.0.0.1:9877", "127.0.0.1 port 9877"),
        ("[::ffff:127.0.0.1]:9877", "127.0.0.1:9877", "127.0.0.1 port 9877"),
        ("unix:@twice", "unix:@twice", "unix:@twice"),
    ],
)
def test_an_address_given_twice_is_an_error(serve, first, second, said):
    status, line = refusal(serve, first, second)
    assert status == 2
    assert line == f"tcpecho: cannot listen on {said}: given twice, or included in another address"


def test_a_path_given_twice_is_an_error_and_does_not_stay(serve, tmp_path):
    status, line = refusal(serve, f"unix:{tmp_path}/echo", f"unix:{tmp_path}/./echo")
    assert status == 2
    assert "given twice" in line
    assert not (tmp_path / "echo").exists()


@pytest.mark.usefixtures("own_network")
def test_the_address_of_a_socket_that_was_passed_is_not_another_servers(serve):
    with socket.create_server(("127.0.0.1", 9877)) as passed:
        status, line = refusal(serve, "127.0.0.1:9877", **manager(passed))
    assert status == 2
    assert "given twice" in line


# ---- too many, and of another kind ----


def test_too_many_addresses_are_an_error(serve, tmp_path):
    hosts = "".join(f"127.0.{name}.{i} name{name}\n" for name in range(5) for i in range(1, 17))
    names = [f"name{name}:0" for name in range(5)]
    prefix = own_etc(tmp_path, hosts=hosts, nsswitch_conf="hosts: files\n")
    assert len(serve(*names[:4], prefix=prefix).addresses) == 64
    status, line = refusal(serve, *names, prefix=prefix)
    assert status == 2
    assert line == "tcpecho: cannot listen on name4 port 0: more than 64 addresses"


def test_too_many_sockets_are_an_error(serve):
    with contextlib.ExitStack() as stack:
        passed = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(65)]
        status, line = refusal(serve, addresses=False, **manager(*passed))
    assert status == 4
    assert line == "tcpecho: cannot take over descriptor 67 (LISTEN_FDS): more than 64 addresses"


def test_a_listening_socket_of_another_protocol_is_named(serve):
    try:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
    except OSError as error:
        pytest.skip(f"there is no MPTCP: {error.strerror}")
    with sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        status, line = refusal(serve, addresses=False, **manager(sock))
    assert status == 4
    assert line == (
        "tcpecho: cannot take over descriptor 3 (LISTEN_FDS): "
        "it is neither TCP nor a unix socket (MPTCP is not supported)"
    )


# ---- link-local ----


def test_a_link_local_address_without_its_interface_gets_a_hint(serve, program, link):
    name, address = link
    hint = "a link-local address needs its interface (write fe80::1%eth0)"
    status, line = refusal(serve, f"[{address}]:9877")
    assert (status, line) == (4, f"tcpecho: cannot listen on {address} port 9877: {hint}")
    talk = subprocess.run([program, "talk", address], input="", capture_output=True, text=True, timeout=TIMEOUT)
    assert (talk.returncode, talk.stderr) == (3, f"tcpecho: cannot connect to {address} port 9877: {hint}\n")
    assert serve(f"[{address}%{name}]:9877").addresses == [f"[{address}%{name}]:9877"]


def test_an_unknown_interface_is_an_error(serve):
    status, line = refusal(serve, "[fe80::1%nowhere]:9877")
    assert status == 3
    assert line.endswith(": no interface has the name after the %")


# ---- a name that takes long ----


@pytest.mark.usefixtures("own_network")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_name_is_looked_up_ends_it_at_once(serve, tmp_path, number):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as name_server:
        name_server.bind(("127.0.0.1", 53))
        name_server.settimeout(TIMEOUT)
        resolver = "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n"
        prefix = own_etc(tmp_path, resolv_conf=resolver, nsswitch_conf="hosts: dns\n")
        server = serve("nowhere.example:9877", prefix=prefix, wait=False)
        name_server.recv(512)  # the server sends a query, and gets no reply
        assert server.end(number) == -number
    assert server.log() == ""


# ---- unix paths ----


@pytest.fixture
def path(tmp_path):
    return tmp_path / "echo"


class Starting(Process):
    """A server that may start or be refused."""

    def __init__(self, program, path, log_path, prefix=()):
        self.log_path = log_path
        with open(log_path, "wb") as log:
            self.process = subprocess.Popen([*prefix, program, "serve", f"unix:{path}"], stderr=log)

    def is_settled(self):
        return not self.is_running() or self.log_lines("listening on")


@pytest.fixture
def start(program, path, tmp_path):
    """Starts servers on the path, without waiting for them."""
    started = []

    def start_one(prefix=()):
        started.append(Starting(program, path, tmp_path / f"log-{len(started)}", prefix))
        return started[-1]

    yield start_one
    cleanup(started)


def assert_one_of_many_serves(start, path, count=8):
    """Starts many servers at once: one of them serves, the others are refused with a message."""
    servers = [start() for _ in range(count)]
    wait_until(lambda: all(server.is_settled() for server in servers), "all servers to start or to be refused")
    running = [server for server in servers if server.log_lines("listening on")]
    refused = [server for server in servers if server not in running]
    assert len(running) == 1
    assert all("address already in use" in server.log() and server.wait() == 4 for server in refused)
    assert is_served_at(f"unix:{path}")
    assert running[0].end() == 0
    assert not path.exists()


def test_of_servers_that_start_on_a_path_at_once_exactly_one_serves(start, path):
    for _ in range(5):
        assert_one_of_many_serves(start, path)


def test_of_servers_that_take_over_a_stale_path_at_once_exactly_one_serves(start, path):
    for _ in range(5):
        leave_stale(path)
        assert_one_of_many_serves(start, path)


@pytest.mark.parametrize("is_stale", [False, True], ids=["free", "stale"])
@pytest.mark.parametrize("call", ["bind", "listen", "unlink", "connect", "lstat"])
def test_a_server_that_is_delayed_while_it_takes_a_path_keeps_it(start, path, call, is_stale):
    """strace delays each such call of the first server; the second one comes meanwhile."""
    strace = shutil.which("strace") or pytest.skip("needs strace")
    call = "newfstatat" if call == "lstat" else call
    if is_stale:
        leave_stale(path)
    before = path.exists() and path.stat().st_ino
    delay = f"inject={call}:delay_enter=300000"
    first = start((strace, "-D", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", delay))

    def is_under_way():
        return has_lock(first, path.parent) or path.exists() and path.stat().st_ino != before or first.is_settled()

    wait_until(is_under_way, "the first to begin")
    second = start()
    for server in (first, second):
        wait_until(server.is_settled, "it to start or to be refused")
    assert [server.is_running() for server in (first, second)] == [True, False]
    assert second.wait() == 4
    assert is_served_at(f"unix:{path}")


def has_lock(server, directory):
    """Returns whether it holds a lock on the directory."""
    inode = os.stat(directory).st_ino
    with open("/proc/locks") as locks:
        return any(re.search(rf"FLOCK .* {server.pid} \S+:{inode} ", line) for line in locks)


@pytest.fixture
def locked(path):
    """Another process has locked the directory."""
    fd = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    yield
    os.close(fd)


@pytest.mark.usefixtures("locked")
def test_a_directory_locked_by_others_does_not_block_a_free_path(serve, path):
    assert serve(f"unix:{path}").is_faithful()


@pytest.mark.usefixtures("locked")
def test_a_stale_path_is_not_taken_over_without_the_lock(serve, path):
    leave_stale(path)
    status, line = refusal(serve, f"unix:{path}")
    assert status == 4
    assert line.endswith("(another process has locked the directory, see flock(1))")
    assert path.is_socket()


@pytest.mark.usefixtures("locked")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_waits_for_the_lock_ends_it_at_once(serve, path, number):
    leave_stale(path)
    server = serve(f"unix:{path}", wait=False)
    wait_until(lambda: proc_state(server.pid) == "S", "it to wait")
    assert server.end(number) == -number
    assert server.log() == ""


# ---- ports ----


@pytest.mark.usefixtures("own_network")
def test_a_port_that_is_reserved_in_the_ephemeral_range_earns_no_warning(serve):
    set_sysctl("net.ipv4.ip_local_port_range", "32768 60999")
    set_sysctl("net.ipv4.ip_local_reserved_ports", "40000,41000-41005")
    for port in (40000, 41000, 41005):
        assert serve(f"127.0.0.1:{port}").log_lines("warning") == []
    assert len(serve("127.0.0.1:41006").log_lines("warning")) == 1


@pytest.mark.usefixtures("own_network")
@pytest.mark.parametrize("first", [6000, 80])
def test_a_denial_names_the_ports_that_need_a_right_on_this_machine(serve, program, first):
    set_sysctl("net.ipv4.ip_unprivileged_port_start", first)
    if os.geteuid() != 0:
        pytest.skip("only root can give up the right to bind")
    setpriv = shutil.which("setpriv") or pytest.skip("needs setpriv")
    words = (setpriv, "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--bounding-set=-all")
    port = first - 1
    server = serve(f"127.0.0.1:{port}", prefix=words, wait=False)
    assert server.wait() == 4
    assert server.log_lines()[-1] == (
        f"tcpecho: cannot listen on 127.0.0.1 port {port}: permission denied"
        f" (ports below {first} need CAP_NET_BIND_SERVICE)"
    )
    assert sysctl("net.ipv4.ip_unprivileged_port_start").read_text().strip() == str(first)


# ---- addresses that no TCP client can reach ----


@pytest.mark.engines("fork")
@pytest.mark.parametrize("host", ["255.255.255.255", "127.255.255.255", "224.0.0.1", "::ffff:224.0.0.1", "ff02::1"])
def test_a_broadcast_or_multicast_address_is_refused(program, host):
    address = f"[{host}]:0" if ":" in host else f"{host}:0"
    reason = "TCP cannot use a broadcast or multicast address"
    done = subprocess.run([program, "serve", address], capture_output=True, text=True, timeout=TIMEOUT)
    assert (done.returncode, done.stderr) == (2, f"tcpecho: cannot listen on {host} port 0: {reason}\n")
    for command in ["talk"], ["ping", "-c", "1"]:
        done = subprocess.run(
            [program, *command, host, "9"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT
        )
        assert done.returncode == 3
        assert done.stderr == f"tcpecho: cannot connect to {host} port 9: {reason}\n"
