# SPDX-License-Identifier: MIT
"""Failures: the message and the exit status say exactly what is wrong.

The servers break each promise of an echo (lib/faulty_servers.py), do not exist, or are the client itself.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

import faulty_servers
from bulk import Endless, Feeder
from faulty_servers import NO_ECHO_OR_HALF_CLOSE, NO_HALF_CLOSE, FaultyServer, FullListener
from harness import TIMEOUT, proc_state, proc_text, server_words, wait_until
from netns import set_sysctl
from private_files import own_etc
from streams import pattern

# Neighbouring bytes differ, so that the offset of a lost or doubled byte is clear.
DATA = bytes(number * 7 % 256 for number in range(300))


def run(talk, treatment, *options, data=DATA, **more):
    """A conversation with a faulty server: (status, output, error text)."""
    with FaultyServer(treatment) as faulty:
        return talk(*options, *faulty.words, input=data, **more).finish()


def rchar(pid):
    """Returns the total number of bytes that a process has read."""
    return int(re.search(r"rchar: (\d+)", proc_text(pid, "io") or "rchar: 0").group(1))


def words_of(error):
    """Returns the one sentence of an error text."""
    assert error.startswith("tcpecho: ") and error.endswith("\n") and error.count("\n") == 1, repr(error)
    return error[len("tcpecho: ") : -1]


# ---- bytes that are missing ----


@pytest.mark.parametrize("answered", [0, 1, 120, 299])
def test_a_server_that_ends_early(talk, answered):
    status, output, error = run(talk, faulty_servers.answer_and_end(answered, 300, after_fin=True))
    assert (status, output) == (1, DATA[:answered])
    reason = NO_HALF_CLOSE if answered else NO_ECHO_OR_HALF_CLOSE
    assert words_of(error) == f"server ended early: {answered} of 300 bytes came back{reason}"


@pytest.mark.parametrize("answered", [0, 1, 120, 299])
def test_a_server_that_resets(talk, answered):
    status, output, error = run(talk, faulty_servers.answer_and_reset(answered, 300, after_fin=True))
    assert (status, output) == (1, DATA[:answered])
    reason = NO_HALF_CLOSE if answered else NO_ECHO_OR_HALF_CLOSE
    assert words_of(error) == f"server reset the connection: {answered} of 300 bytes came back{reason}"


def test_a_server_that_resets_after_the_last_byte(talk):
    """All bytes came back, but no FIN: the server may have had more to send."""
    status, output, error = run(talk, faulty_servers.answer_and_reset(300, 300, after_fin=True))
    assert (status, output) == (1, DATA)
    assert words_of(error) == "server reset the connection: 300 of 300 bytes came back"


def test_a_server_that_ends_while_our_input_goes_on(talk):
    """The client does not wait for the end of an input that it cannot send any more."""
    with FaultyServer(faulty_servers.answer_and_end(5, 5)) as faulty:
        client = talk(*faulty.words)
        client.stdin.write(b"hello")
        client.stdin.flush()
        assert client.wait() == 1
        assert client.stdout.read() == b"hello"
        error = client.process.stderr.read().decode()
    assert words_of(error) == "server ended early: 5 of 5 bytes came back, before the end of input"


def test_a_server_that_closes_at_once(talk):
    """The client sends to a closed socket. Whether it sees a FIN or an RST depends on timing."""
    status, output, error = run(talk, faulty_servers.close_at_once)
    assert (status, output) == (1, b"")
    words = words_of(error).removesuffix(NO_ECHO_OR_HALF_CLOSE)
    assert re.fullmatch(r"server (ended early|reset the connection): 0 of (0|300) bytes came back", words)


def test_a_reset_in_the_midst_of_sending_is_called_a_reset(talk):
    """The result must not depend on whether send(2) or recv(2) sees it first."""
    endless = Endless()
    for attempt in range(20):
        with FaultyServer(faulty_servers.answer_and_reset(1000 * attempt, 100_000)) as faulty:
            client = talk(*faulty.words)
            feeder = Feeder(client.stdin, lambda file: endless.write(file, 1 << 30))
            output = client.stdout.read()
            assert client.wait() == 1
            feeder.join()
            error = client.process.stderr.read().decode()
        assert output == endless.at(0, len(output))
        found = re.fullmatch(r"server reset the connection: (\d+) of (\d+) bytes came back", words_of(error))
        assert found, f"attempt {attempt}: {error}"
        assert int(found[1]) == len(output) <= int(found[2])


@pytest.mark.usefixtures("own_network")
def test_a_connection_that_is_aborted_while_bytes_are_unsent_is_called_aborted(serve, talk):
    """An administrator's `ss -K`: send(2) sees the error first."""
    if shutil.which("ss") is None:
        pytest.skip("ss is not installed")
    set_sysctl("net.ipv4.tcp_wmem", "4096 8192 8192")
    set_sysctl("net.ipv4.tcp_rmem", "4096 8192 8192")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with open("/dev/zero", "rb") as endless:
            client = talk("127.0.0.1", port, stdin=endless)
        accepted, _ = listener.accept()
        with accepted:
            wait_until(lambda: rchar(client.pid) >= 1 << 20, "the window to be full")
            killed = subprocess.run(["ss", "-K", "dport", "=", str(port)], capture_output=True, text=True)
            if str(port) not in killed.stdout:
                pytest.skip("the kernel cannot abort a connection (INET_DIAG_DESTROY)")
            assert client.wait() == 1
    error = client.process.stderr.read().decode()
    assert re.fullmatch(r"software caused connection abort: 0 of \d+ bytes came back", words_of(error))


# ---- bytes that are wrong ----


@pytest.mark.parametrize("at", [0, 1, 8192, 65535, 65536, 1_048_576, 2_999_999])
def test_a_byte_that_differs(talk, at):
    data = pattern(3_000_000)
    status, output, error = run(talk, faulty_servers.flip_bit(at), data=data)
    assert status == 1
    assert words_of(error) == f"byte {at} differs: sent 0x{data[at]:02x}, got 0x{data[at] ^ 1:02x}"
    assert output[: at + 1] == data[:at] + bytes([data[at] ^ 1])  # received bytes are written unchanged


def test_a_byte_that_differs_is_named_though_the_output_is_closed(talk):
    """The output is a full pipe when the byte comes; then the reader closes it."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.write(writer, bytes(1 << 20))  # as much as it takes
    os.set_blocking(writer, True)
    with FaultyServer(faulty_servers.flip_bit(0)) as faulty:
        client = talk(*faulty.words, stdout=writer)
        os.close(writer)
        client.stdin.write(DATA)
        client.stdin.close()
        time.sleep(1)  # received bytes are compared, but cannot be written
        wait_until(lambda: proc_state(client.pid) == "S", "it to wait for its output")
        os.close(reader)
        assert client.wait() == 1
        error = client.process.stderr.read().decode()
    assert words_of(error) == f"byte 0 differs: sent 0x{DATA[0]:02x}, got 0x{DATA[0] ^ 1:02x}"


def test_the_first_of_many_bytes_that_differ_is_named(talk):
    treatment = faulty_servers.echo_through(lambda offset, piece: bytes(byte ^ 0x20 for byte in piece))
    status, _, error = run(talk, treatment, data=b"HELLO")
    assert status == 1
    assert words_of(error).startswith("byte 0 differs: sent 0x48, got 0x68")


def test_a_byte_that_is_lost(talk):
    status, _, error = run(talk, faulty_servers.drop_byte(120))
    assert (status, words_of(error)) == (1, f"byte 120 differs: sent 0x{DATA[120]:02x}, got 0x{DATA[121]:02x}")


def test_the_last_byte_is_lost(talk):
    status, output, error = run(talk, faulty_servers.drop_byte(299))
    assert (status, output) == (1, DATA[:299])
    assert words_of(error) == f"server ended early: 299 of 300 bytes came back{NO_HALF_CLOSE}"


def test_a_byte_that_comes_twice(talk):
    status, _, error = run(talk, faulty_servers.repeat_byte(120))
    assert (status, words_of(error)) == (1, f"byte 121 differs: sent 0x{DATA[121]:02x}, got 0x{DATA[120]:02x}")


def test_the_last_byte_comes_twice(talk):
    status, output, error = run(talk, faulty_servers.repeat_byte(299))
    assert (status, output) == (1, DATA + DATA[299:])
    assert words_of(error) == f"byte 300 was never sent: got 0x{DATA[299]:02x}"


def test_too_many_bytes(talk):
    status, output, error = run(talk, faulty_servers.add_bytes(b"\nand this"))
    assert (status, output) == (1, DATA + b"\nand this")
    assert words_of(error) == (
        'byte 300 was never sent: got 0x0a (no plain echo: it adds "^Jand this" after what it returns)'
    )


def test_a_wrong_byte_ends_it_although_our_input_goes_on(talk):
    with FaultyServer(faulty_servers.flip_bit(2)) as faulty:
        client = talk(*faulty.words)
        client.stdin.write(b"hello")
        client.stdin.flush()
        assert client.wait() == 1
        error = client.process.stderr.read().decode()
    assert words_of(error) == "byte 2 differs: sent 0x6c, got 0x6d"


def test_the_output_is_written_to_its_end_though_the_verdict_is_known(talk):
    """A slow reader gets the received bytes, including the wrong one, before the message."""
    data = pattern(200_000)
    with FaultyServer(faulty_servers.flip_bit(199_999)) as faulty:
        client = talk(*faulty.words)
        feeder = Feeder(client.stdin, lambda file: file.write(data))
        feeder.join()
        time.sleep(0.2)
        assert client.stdout.read() == data[:-1] + bytes([data[-1] ^ 1])
        assert client.wait() == 1
        assert "byte 199999 differs" in client.process.stderr.read().decode()


# ---- silence ----


@pytest.mark.parametrize("answered", [0, 120, 299])
def test_a_server_that_falls_silent(talk, answered):
    status, output, error = run(talk, faulty_servers.answer_and_hang(answered, 300), "--timeout", "1s")
    assert (status, output) == (1, DATA[:answered])
    assert words_of(error) == f"no reply for 1s: {answered} of 300 bytes came back"


@pytest.mark.parametrize("treatment", [faulty_servers.never_reply, faulty_servers.never_read])
def test_a_server_that_never_answers(talk, treatment):
    status, output, error = run(talk, treatment, "-t", "0.25")
    assert (status, output) == (1, b"")
    assert words_of(error) == "no reply for 250ms: 0 of 300 bytes came back"


def test_a_server_that_never_answers_while_our_input_goes_on(talk):
    with FaultyServer(faulty_servers.never_reply) as faulty:
        client = talk("--timeout", "1s", *faulty.words)
        client.stdin.write(b"hello\n")
        client.stdin.flush()
        assert client.wait() == 1
        error = client.process.stderr.read().decode()
    assert words_of(error) == "no reply for 1s: 0 of 6 bytes came back"


def test_a_server_that_never_reads_a_large_input(talk):
    status, output, error = run(talk, faulty_servers.never_read, "--timeout", "1s", data=bytes(10_000_000))
    assert (status, output) == (1, b"")
    assert words_of(error) == "no reply for 1s: 0 of 1048576 bytes came back"


@pytest.mark.parametrize("data", [b"", DATA], ids=["nothing sent", "all came back"])
def test_a_server_that_never_ends(talk, data):
    status, output, error = run(talk, faulty_servers.never_end, "--timeout", "1s", data=data)
    assert (status, output) == (1, data)
    assert words_of(error) == f"server did not end within 1s: {len(data)} of {len(data)} bytes came back"


def test_without_a_timeout_it_waits(talk):
    with FaultyServer(faulty_servers.never_reply) as faulty:
        client = talk(*faulty.words)
        client.stdin.write(b"hello\n")
        client.stdin.close()
        time.sleep(1)
        assert client.is_running()


def test_silence_is_no_failure_while_nothing_is_due(server, talk):
    """A timeout does not run while the user types: not before the first line, nor between two lines."""
    client = talk("--timeout", "1s", server)
    for line in (b"first\n", b"second\n"):
        time.sleep(1.5)
        client.stdin.write(line)
        client.stdin.flush()
        assert client.stdout.read(len(line)) == line
    assert client.finish() == (0, b"", "")


def test_bytes_that_trickle_in_are_no_silence(talk):
    """The timeout limits a pause, not the total time."""
    status, output, error = run(talk, faulty_servers.drip(0.1, size=1), "--timeout", "1s", data=b"sixteen bytes.\n\n")
    assert (status, output, error) == (0, b"sixteen bytes.\n\n", "")


def test_a_stuck_output_is_not_the_servers_silence(server, talk):
    data = pattern(4_000_000)
    client = talk("--timeout", "1s", server)
    feeder = Feeder(client.stdin, lambda file: file.write(data))
    time.sleep(2)
    assert client.stdout.read() == data
    feeder.join()
    assert (client.wait(), client.process.stderr.read()) == (0, b"")


# ---- no connection ----


def dead_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def test_a_dead_port(talk):
    port = dead_port()
    status, output, error = talk("127.0.0.1", port, input=DATA).finish()
    assert (status, output) == (3, b"")
    assert words_of(error) == (
        f"cannot connect to 127.0.0.1 port {port}: connection refused (is a server listening there?)"
    )


def test_a_unix_socket_that_is_not_there(talk, tmp_path):
    status, output, error = talk(f"unix:{tmp_path}/gone", input=DATA).finish()
    assert (status, output) == (3, b"")
    assert words_of(error) == (
        f"cannot connect to unix:{tmp_path}/gone: no such file or directory (is a server listening there?)"
    )


PATHS = {
    "directory": "connection refused (the path is a directory)",
    "file": "connection refused (the path is a regular file)",
    "link": "no such file or directory (the path is a link to a missing file)",
    "missing/socket": "no such file or directory (its directory does not exist)",
    "fifo": "connection refused (the path is not a socket)",
    "file/socket": "not a directory",
}


@pytest.mark.parametrize("name", PATHS)
def test_a_path_that_is_no_socket(talk, program, tmp_path, name):
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "fifo")
    status, output, error = talk(f"unix:{tmp_path}/{name}", input=DATA).finish()
    assert (status, output) == (3, b"")
    assert words_of(error) == f"cannot connect to unix:{tmp_path}/{name}: {PATHS[name]}"
    served = subprocess.run([program, "serve", f"unix:{tmp_path}/{name}"], capture_output=True, text=True, timeout=TIMEOUT)
    assert served.returncode == 4
    remark = PATHS[name].partition(" (")[2]
    assert served.stderr.startswith(f"tcpecho: cannot listen on unix:{tmp_path}/{name}: ")
    assert remark in served.stderr


def test_a_unix_socket_without_a_listener(talk, tmp_path):
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(f"{tmp_path}/dead")
    status, output, error = talk(f"unix:{tmp_path}/dead", input=DATA).finish()
    assert (status, output) == (3, b"")
    assert words_of(error) == (
        f"cannot connect to unix:{tmp_path}/dead: connection refused (is a server listening there?)"
    )


def test_an_unknown_host_name(talk, tmp_path):
    prefix = own_etc(tmp_path, nsswitch_conf="hosts: files\n")
    status, output, error = talk("no.such.host.invalid", "7", input=DATA, prefix=prefix).finish()
    assert (status, output) == (3, b"")
    assert words_of(error) == "cannot connect to no.such.host.invalid port 7: no such host"


@pytest.mark.usefixtures("own_network")
def test_a_name_server_that_does_not_answer(talk, tmp_path):
    prefix = own_etc(
        tmp_path,
        nsswitch_conf="hosts: dns\n",
        resolv_conf="nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    )
    status, output, error = talk("example.org", "7", input=DATA, prefix=prefix).finish()
    assert (status, output) == (3, b"")
    assert words_of(error) == "cannot connect to example.org port 7: no name server answered"


def test_an_address_of_the_other_family(talk):
    status, output, error = talk("-6", "127.0.0.1", "7", input=DATA).finish()
    assert (status, output) == (3, b"")
    assert words_of(error) == "cannot connect to 127.0.0.1 port 7: the host has no address of that family"


@pytest.mark.usefixtures("own_network")
def test_a_network_without_a_way_there(talk):
    status, output, error = talk("192.0.2.1", "7", input=DATA).finish()
    assert (status, output) == (3, b"")
    assert words_of(error) == "cannot connect to 192.0.2.1 port 7: network is unreachable"


@pytest.mark.usefixtures("own_network")
def test_a_firewall_that_says_no(talk):
    """The kernel returns EACCES. It would be a local failure if it had not come over the network."""
    if shutil.which("nft") is None:
        pytest.skip("nft is not installed")
    rule = "tcp dport 7 reject with icmpv6 admin-prohibited"
    table = f"table ip6 firewall {{\nchain in {{\ntype filter hook input priority 0;\n{rule}\n}}\n}}\n"
    subprocess.run(["nft", "-f", "-"], input=table, text=True, check=True)
    status, output, error = talk("::1", "7", input=DATA).finish()
    assert (status, output) == (3, b"")
    assert words_of(error) == "cannot connect to ::1 port 7: a firewall on the path forbids it"


def test_a_host_that_does_not_answer(talk):
    with FullListener() as full:
        status, output, error = talk("--timeout", "1s", "127.0.0.1", full.port, input=DATA).finish()
    assert (status, output) == (3, b"")
    assert words_of(error) == (
        f"cannot connect to 127.0.0.1 port {full.port}: connection timed out "
        "(the host does not answer, or a firewall drops what it is sent)"
    )


def test_a_unix_socket_whose_queue_stays_full(talk, tmp_path):
    """The kernel does not let a client wait in that queue: talk tries again until its timeout."""
    path = f"{tmp_path}/full"
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as filler:
        listening.bind(path)
        listening.listen(0)
        filler.connect(path)
        status, output, error = talk("--timeout", "1s", f"unix:{path}", input=DATA).finish()
    assert (status, output) == (3, b"")
    assert words_of(error) == f"cannot connect to unix:{path}: the server's queue is full, it accepts no connection"


def test_a_unix_socket_whose_queue_empties_in_time(talk, tmp_path):
    path = f"{tmp_path}/full"
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as filler:
        listening.bind(path)
        listening.listen(0)
        filler.connect(path)
        listening.settimeout(TIMEOUT)
        client = talk(f"unix:{path}")
        client.stdin.write(DATA)
        client.stdin.close()
        time.sleep(0.2)
        listening.accept()[0].close()
        echo, _ = listening.accept()
        with echo:
            faulty_servers.never_end(echo)
    assert (client.wait(), client.stdout.read(), client.process.stderr.read()) == (0, DATA, b"")


def test_no_descriptor_for_the_socket_is_this_machines_fault(talk, sanitized):
    if sanitized or shutil.which("strace") is None:
        pytest.skip("needs strace, and a sanitizer does not like to be traced")
    prefix = ("strace", "-o", "/dev/null", "-e", "inject=socket:error=EMFILE")
    status, output, error = talk("127.0.0.1", "7", input=DATA, prefix=prefix).finish()
    assert (status, output) == (4, b"")
    words = "cannot connect to 127.0.0.1 port 7: too many open files (raise the limit on descriptors, ulimit -n)"
    assert words_of(error) == words


# ---- connected to itself ----


@pytest.mark.usefixtures("own_network")
def test_a_dead_port_is_never_met_by_being_it(talk):
    """In a range of four ports the kernel soon gives the client the port that it calls, where no server listens.

    The message of that case must have appeared.
    """
    set_sysctl("net.ipv4.ip_local_port_range", "40000 40003")
    seen = set()
    for _ in range(200):
        status, output, error = talk("127.0.0.1", "40000", input=b"anybody?\n").finish()
        assert (status, output) == (3, b"")
        seen.add(words_of(error))
        if len(seen) == 2:
            break
    assert seen == {
        "cannot connect to 127.0.0.1 port 40000: connection refused (is a server listening there?)",
        "cannot connect to 127.0.0.1 port 40000: the connection leads back to itself, no server listens there",
    }


# ---- interrupted ----


def default_signals():
    """For preexec: the test may run in the background of a shell, where SIGINT is ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def test_control_c_is_130_in_a_shell(server, program):
    words = [program, "talk", *server_words(server)]
    shell = subprocess.Popen(
        ["bash", "-c", 'trap : INT; "$@"; echo $?', "bash", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=default_signals,
    )
    server.wait_for_children(1)
    os.killpg(shell.pid, signal.SIGINT)
    output, error = shell.communicate(timeout=TIMEOUT)
    assert (output, error) == (b"130\n", b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_as_that_signal(server, talk, number):
    client = talk(server, preexec=default_signals)
    server.wait_for_children(1)
    assert client.end(number) == -number
    assert client.process.stderr.read() == b""
