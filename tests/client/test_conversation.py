# SPDX-License-Identifier: MIT
"""The conversation: all input comes out, at once, and in a fixed amount of memory.

That holds whatever the input and the output are: terminal, file, pipe or socket, fast or slow, empty or a gigabyte.
"""
import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

import faulty_servers
from bulk import Endless, Feeder
from harness import (
    TIMEOUT,
    cpu_seconds,
    peak_rss_kib,
    proc_text,
    recv_all,
    recv_exactly,
    server_words,
    wait_until,
)
from faulty_servers import FaultyServer, FullListener
from private_files import own_etc
from streams import pattern
from terminal import Terminal, open_terminal

MIB = 1 << 20
GIB = 1 << 30

# Allowed memory for a gigabyte beyond the memory for a line.
GROWTH_KIB = 2048

SIZES = [0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 10_000_000]

LINES = [b"a line\n", b"\n", b"without a NUL \0 there is no C\n", "grüße 🙂\n".encode(), b"x" * 4000 + b"\n"]


# ---- typed lines ----


def test_a_line_from_a_pipe_comes_back_before_the_next_is_written(server, talk):
    client = talk(server)
    for line in LINES:
        client.stdin.write(line)
        client.stdin.flush()
        assert read_exactly(client.stdout, len(line)) == line
    assert client.finish() == (0, b"", "")


def test_a_part_of_a_line_comes_back_at_once_too(server, talk):
    client = talk(server)
    for byte in b"no newline":
        client.stdin.write(bytes([byte]))
        client.stdin.flush()
        assert client.stdout.read(1) == bytes([byte])
    assert client.finish() == (0, b"", "")


def test_a_line_typed_at_a_terminal_comes_back_at_once_and_control_d_ends_it(server, talk):
    with Terminal() as terminal:
        client = talk(server, stdin=terminal.slave, stdout=terminal.slave, preexec=terminal.control)
        for number in range(20):
            terminal.type(b"line %d\n" % number)
            terminal.wait_for(b"line %d\n" % number)
        terminal.type(b"\x04")
        assert terminal.read_to_end() == b"".join(b"line %d\n" % number for number in range(20))
        assert client.finish() == (0, None, "")


def assert_ends_well(client):
    """Its input has ended, its output was read: status 0 and no message."""
    assert (client.wait(), client.process.stderr.read()) == (0, b"")


def read_exactly(file, size):
    data = file.read(size)
    assert len(data) == size
    return data


# ---- copies ----


@pytest.mark.parametrize("last", [b"\n", b"x"], ids=["newline", "none"])
@pytest.mark.parametrize("size", SIZES)
def test_a_file_is_copied(server, talk, tmp_path, size, last):
    data = pattern(size)[: size - 1] + last if size else b""
    (tmp_path / "file").write_bytes(data)
    with open(tmp_path / "file", "rb") as file, open(tmp_path / "copy", "wb") as copy:
        assert talk(server, stdin=file, stdout=copy).finish() == (0, None, "")
    assert (tmp_path / "copy").read_bytes() == data


def test_every_byte_value_comes_back_wherever_it_stands(server, talk):
    data = bytes(range(256)) + bytes(value for pair in zip(range(256), range(255, -1, -1)) for value in pair)
    data += b"\xff" * 70000 + b"\0" * 70000
    assert talk(server, input=data).finish() == (0, data, "")


def test_a_line_of_64_mib_comes_back(server, talk):
    data = b"x" * (64 * MIB) + b"\n"
    status, output, error = talk(server, input=data).finish()
    assert (status, error) == (0, "")
    assert output == data


@pytest.fixture
def gigabyte(tmp_path):
    """A file of 1 GB that is mostly holes: (file, contents at an offset)."""
    endless = Endless()
    stride, mark = 16 * MIB - 4099, 100_000

    def contents(offset, size):
        """Returns zeros, with a block of other bytes every `stride` bytes."""
        piece = bytearray(size)
        for start in range(offset - offset % stride, offset + size, stride):
            first, last = max(start, offset), min(start + mark, offset + size)
            if first < last:
                piece[first - offset : last - offset] = endless.at(first, last - first)
        return bytes(piece)

    path = tmp_path / "gigabyte"
    with open(path, "wb") as file:
        file.truncate(GIB)
        for start in range(0, GIB, stride):
            file.seek(start)
            file.write(endless.at(start, min(mark, GIB - start)))
    with open(path, "rb") as file:
        yield file, contents
    path.unlink()


def peaks_of_a_small_copy(server, talk):
    """Returns the peak memory, in KiB, of `talk` and of the server's child for a line: the minimum."""
    client = talk(server)
    client.stdin.write(b"small\n")
    client.stdin.flush()
    read_exactly(client.stdout, 6)
    peaks = peak_rss_kib(client.pid), peak_rss_kib(server.wait_for_children(1)[0])
    assert client.finish() == (0, b"", "")
    server.ends(1)
    return peaks


def test_a_gigabyte_is_copied_and_costs_no_more_memory_than_a_line(server, talk, gigabyte, sanitized):
    file, contents = gigabyte
    talk_small, child_small = peaks_of_a_small_copy(server, talk)
    client = talk(server, stdin=file)
    fcntl.fcntl(client.stdout, fcntl.F_SETPIPE_SZ, MIB)
    (child,) = server.wait_for_children(1)

    offset = talk_peak = child_peak = 0
    while piece := client.stdout.read(MIB):
        assert piece == contents(offset, len(piece)), f"in the MiB at {offset}"
        offset += len(piece)
        if offset % (64 * MIB) == 0 or offset == GIB - 4 * MIB:
            talk_peak = max(talk_peak, peak_rss_kib(client.pid))
            child_peak = max(child_peak, peak_rss_kib(child))
    assert offset == GIB
    assert client.finish() == (0, b"", "")
    if sanitized:
        pytest.skip("copied; but the memory of a sanitized program is not its own")
    assert talk_peak > 0 and child_peak > 0
    assert talk_peak - talk_small <= GROWTH_KIB
    assert child_peak - child_small <= GROWTH_KIB


# ---- other inputs and outputs ----


def test_a_socket_as_input_and_output(server, talk):
    data = pattern(3_000_000)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client = talk(server, stdin=theirs, stdout=theirs)
        theirs.close()

        def write(_file):
            ours.sendall(data)
            ours.shutdown(socket.SHUT_WR)

        feeder = Feeder(contextlib.nullcontext(), write)
        ours.settimeout(TIMEOUT)
        assert recv_exactly(ours, len(data)) == data
        feeder.join()
        assert_ends_well(client)


def test_non_blocking_input_and_output(server, talk):
    """A process that shares the descriptor may have made it non-blocking."""
    data = pattern(3_000_000)
    client_in, our_out = os.pipe()
    our_in, client_out = os.pipe()
    os.set_blocking(client_in, False)
    os.set_blocking(client_out, False)
    client = talk(server, stdin=client_in, stdout=client_out)
    os.close(client_in)
    os.close(client_out)
    feeder = Feeder(os.fdopen(our_out, "wb"), lambda file: file.write(data))
    with os.fdopen(our_in, "rb") as copy:
        assert copy.read() == data
    feeder.join()
    assert_ends_well(client)


def test_a_slow_reader_of_the_output_gets_everything(server, talk):
    data = pattern(2_000_000)
    client = talk(server)
    feeder = Feeder(client.stdin, lambda file: file.write(data))
    copy = b""
    for _ in range(20):
        time.sleep(0.02)
        copy += os.read(client.stdout.fileno(), 3001)
    copy += client.stdout.read()
    feeder.join()
    assert copy == data
    assert_ends_well(client)


def test_a_reader_that_stops_blocks_nothing_and_costs_no_memory(server, talk, sanitized):
    """While the output is stuck, the client reads no more than the window and the pipes hold, and does not spin."""
    talk_small, _ = peaks_of_a_small_copy(server, talk)
    endless, size = Endless(), 64 * MIB
    client = talk(server)
    feeder = Feeder(client.stdin, lambda file: endless.write(file, size))

    def bytes_taken():
        return int(proc_text(client.pid, "io").split()[1])  # rchar

    def has_stopped():
        before = bytes_taken()
        time.sleep(0.3)
        return before > MIB and bytes_taken() == before

    wait_until(has_stopped, "talk to stop reading")
    assert bytes_taken() < size
    before = cpu_seconds(client.pid)
    time.sleep(1)
    assert cpu_seconds(client.pid) - before < 0.1
    if not sanitized:
        assert peak_rss_kib(client.pid) - talk_small <= GROWTH_KIB

    for offset in range(0, size, MIB // 2):
        assert client.stdout.read(MIB // 2) == endless.at(offset, MIB // 2)
    feeder.join()
    assert_ends_well(client)


def test_input_that_comes_slowly_is_sent_as_it_comes(server, talk):
    client = talk(server)
    for number in range(10):
        time.sleep(0.05)
        client.stdin.write(b"%d," % number)
        client.stdin.flush()
        assert client.stdout.read(2) == b"%d," % number
    assert client.finish() == (0, b"", "")


def test_waiting_costs_no_cpu_time(server, talk):
    client = talk(server)
    server.wait_for_children(1)
    before = cpu_seconds(client.pid)
    time.sleep(1)
    assert cpu_seconds(client.pid) - before < 0.1
    assert client.finish() == (0, b"", "")


# ---- never waiting ----


def test_it_does_not_wait_for_a_reply_before_it_reads_on(talk):
    """The server sends only after it has received a thousand lines."""
    lines = b"".join(b"line %06d\n" % number for number in range(1000))
    with FaultyServer(faulty_servers.answer_after(len(lines))) as faulty:
        client = talk(*faulty.words)
        for line in lines.splitlines(keepends=True):
            client.stdin.write(line)
            client.stdin.flush()
        assert read_exactly(client.stdout, len(lines)) == lines
        assert client.finish() == (0, b"", "")


def test_a_server_may_keep_a_whole_mebibyte_in_flight(talk):
    data = pattern(3 * MIB)
    with FaultyServer(faulty_servers.answer_after(MIB)) as faulty:
        assert talk(*faulty.words, input=data).finish() == (0, data, "")


def test_a_server_of_one_byte_at_a_time_is_as_good(talk):
    data = pattern(2000)
    with FaultyServer(faulty_servers.drip(0)) as faulty:
        assert talk(*faulty.words, input=data).finish() == (0, data, "")


# ---- the reader is gone ----


def test_a_pipe_to_head_ends_quietly(server, program):
    words = [program, "talk", *server_words(server)]
    script = 'yes line | "$@" | head -1; echo "${PIPESTATUS[1]}"'
    done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, timeout=TIMEOUT)
    assert (done.stdout, done.stderr) == (f"line\n{128 + signal.SIGPIPE}\n", "")
    server.ends(1)  # and the server has no client any more


def test_it_ends_quietly_although_its_parent_ignores_sigpipe(server, talk):
    client = talk(server, preexec=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN))
    client.stdout.close()
    client.stdin.write(b"into the void\n")
    client.stdin.flush()
    assert client.wait() == -signal.SIGPIPE
    assert client.process.stderr.read() == b""


def test_it_notices_that_its_reader_is_gone_though_nothing_is_to_be_written(server, talk):
    client = talk(server)
    server.wait_for_children(1)
    client.stdout.close()
    assert client.wait() == -signal.SIGPIPE
    assert client.process.stderr.read() == b""


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        return ours, listening.accept()[0]


PAIRS = {"unix": socket.socketpair, "tcp": tcp_pair}


@pytest.mark.parametrize("kind", PAIRS)
def test_a_socket_whose_reader_is_gone_is_the_same_as_a_pipe(server, talk, kind):
    ours, theirs = PAIRS[kind]()
    client = talk(server, stdout=theirs)
    theirs.close()
    ours.close()
    with contextlib.suppress(BrokenPipeError):
        for _ in range(100):  # TCP notices it only at a write
            client.stdin.write(b"into the void\n")
            client.stdin.flush()
            time.sleep(0.01)
    assert client.wait() == -signal.SIGPIPE
    assert client.process.stderr.read() == b""


def terminal_pair():
    return [os.fdopen(fd, "wb", 0) for fd in open_terminal()]


@pytest.mark.parametrize("pair", [*PAIRS.values(), terminal_pair], ids=[*PAIRS, "terminal"])
def test_an_output_that_hangs_up_does_not_make_it_spin(server, talk, pair):
    """It may end or wait. poll(2) reports the hang-up again and again, requested or not."""
    ours, theirs = pair()
    client = talk(server, stdout=theirs)
    server.wait_for_children(1)
    theirs.close()
    ours.close()
    before = cpu_seconds(client.pid)
    time.sleep(1)
    assert not client.is_running() or cpu_seconds(client.pid) - before < 0.1


# ---- what cannot be read or written ----


def test_a_closed_standard_input_is_this_machines_fault(server, talk):
    assert talk(server, preexec=lambda: os.close(0)).finish() == (
        4,
        b"",
        "tcpecho: cannot read standard input: bad file descriptor\n",
    )


def test_a_closed_standard_output_is_this_machines_fault(server, talk):
    status, _, error = talk(server, input=b"hello\n", preexec=lambda: os.close(1)).finish()
    assert (status, error) == (4, "tcpecho: cannot write standard output: bad file descriptor\n")


def test_a_closed_standard_output_does_no_harm_when_nothing_is_to_be_written(server, talk):
    assert talk(server, input=b"", preexec=lambda: os.close(1)).finish() == (0, b"", "")


def test_a_closed_standard_error_does_not_get_the_words_into_the_conversation(talk):
    """The first free descriptor is 2: a socket there would send the error message to the server."""
    heard = []
    with FaultyServer(lambda sock: heard.append(recv_all(sock))) as faulty:
        client = talk(*faulty.words, "--timeout", "300ms", input=b"hello\n", preexec=lambda: os.close(2))
        assert client.finish() == (1, b"", "")
        wait_until(lambda: heard, "the end of the conversation")
    assert heard == [b"hello\n"]


def test_a_directory_cannot_be_read(server, talk, tmp_path):
    directory = os.open(tmp_path, os.O_RDONLY)
    assert talk(server, stdin=directory).finish() == (
        4,
        b"",
        "tcpecho: cannot read standard input: is a directory\n",
    )
    os.close(directory)


def test_a_full_disk_is_not_passed_over(server, talk):
    with open("/dev/full", "wb") as full:
        status, _, error = talk(server, input=b"hello\n", stdout=full).finish()
    assert (status, error) == (4, "tcpecho: cannot write standard output: no space left on device\n")


# ---- addresses ----


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "unix:{0}/echo", "unix:@tcpecho-{1}"])
def test_ipv4_ipv6_and_unix_sockets_are_all_the_same(serve, talk, tmp_path, address):
    if "::" in address and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    server = serve(address.format(tmp_path, os.getpid()))
    data = pattern(1_000_000)
    assert talk(server.addresses[0], input=data).finish() == (0, data, "")
    assert talk(server, input=data).finish() == (0, data, "")


def has_ipv6():
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


def test_an_ipv6_address_is_understood_with_brackets_and_without(serve, talk):
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")
    port = serve("[::1]:0").port
    for words in (["::1", port], ["[::1]", port], [f"[::1]:{port}"]):
        assert talk(*words, input=b"hello\n").finish() == (0, b"hello\n", "")


@pytest.mark.usefixtures("own_network")
def test_without_operands_client_and_server_meet_on_port_9877(serve, talk):
    assert serve("--quiet").addresses[0] in ("[::]:9877", "0.0.0.0:9877")
    assert talk(input=b"hello\n").finish() == (0, b"hello\n", "")


BOTH = "127.0.0.1 both\n::1 both\n"


def test_one_family_only(serve, talk, tmp_path):
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")
    prefix = own_etc(tmp_path, hosts=BOTH)
    servers = {"-4": serve("127.0.0.1:0"), "-6": serve("[::1]:0")}
    other = {"-4": "-6", "-6": "-4"}
    for option, server in servers.items():
        port = server.port
        for words in ([option], []):
            assert talk(*words, "both", port, prefix=prefix, input=b"hello\n").finish() == (0, b"hello\n", "")
        status, output, error = talk(other[option], "both", port, prefix=prefix, input=b"hello\n").finish()
        assert (status, output) == (3, b"")
        assert f"cannot connect to both port {port}: connection refused" in error


@pytest.mark.parametrize("alive", ["127.0.0.2", "127.0.0.3", "127.0.0.4"])
def test_every_address_of_a_name_is_tried_in_turn(serve, talk, tmp_path, alive):
    prefix = own_etc(tmp_path, hosts="127.0.0.2 many\n127.0.0.3 many\n127.0.0.4 many\n")
    server = serve(f"{alive}:0")
    assert talk("many", server.port, prefix=prefix, input=b"hello\n").finish() == (0, b"hello\n", "")


def test_a_silent_address_gets_its_share_of_the_time_and_the_next_has_time_as_well(talk, tmp_path):
    """The first address never answers. The second one drops the first SYN, and answers the one a second later."""
    prefix = own_etc(tmp_path, hosts="127.0.0.1 two\n127.0.0.2 two\n")
    with FullListener("127.0.0.1") as first, FullListener("127.0.0.2", first.port) as second:
        client = talk("--timeout", "4s", "two", first.port, prefix=prefix)
        # /proc/net/tcp: connections to 127.0.0.2 in SYN_SENT. The other one comes from the sockets that fill the
        # queue.
        connecting = f" 0200007F:{first.port:04X} 02 "
        wait_until(lambda: proc_text(client.pid, "net/tcp").count(connecting) == 2, "the second address")
        with second.accept() as sock:
            client.stdin.close()
            faulty_servers.finish(sock)
    assert_ends_well(client)


# ---- many at a time ----


def test_many_talks_at_a_time_do_not_mix(server, talk):
    clients = [(talk(server), pattern(500_000, seed)) for seed in range(8)]
    feeders = [Feeder(client.stdin, lambda file, data=data: file.write(data)) for client, data in clients]
    copies = {}
    threads = []
    for client, _ in clients:
        thread = threading.Thread(target=lambda client=client: copies.update({client: client.stdout.read()}))
        thread.start()
        threads.append(thread)
    for thread in feeders + threads:
        thread.join()
    for client, data in clients:
        assert copies[client] == data
        assert_ends_well(client)
