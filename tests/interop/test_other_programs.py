# SPDX-License-Identifier: MIT
"""Other programs' clients with our server, and our client with other programs' servers.

Any TCP program can use one half without the other.
"""
import asyncio
import contextlib
import os
import shutil
import socket
import subprocess

import pytest

from harness import TIMEOUT, wait_until
from streams import pattern
from tcptable import tcp_sockets

# The listening state in /proc/net/tcp.
LISTEN = 0x0A

DATA = pattern(1_000_000)


def need(tool):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    return tool


def is_openbsd_nc():
    found = subprocess.run(["nc", "-h"], capture_output=True, text=True)
    return "OpenBSD" in found.stderr


# ---- their clients ----


def copy_by(command):
    """Returns (status, output) of a command with DATA as its standard input."""
    done = subprocess.run(list(map(str, command)), input=DATA, stdout=subprocess.PIPE, timeout=TIMEOUT)
    return done.returncode, done.stdout


def ends_well(server):
    """The server logs that the client ended it, and counts every byte."""
    (end,) = server.ends(1)
    return (end["in"], end["out"], end["reason"]) == (str(len(DATA)), str(len(DATA)), "eof")


def test_nc_gets_its_copy(server):
    need("nc")
    if not is_openbsd_nc():
        pytest.skip("this nc is not OpenBSD's: it has no -N")
    assert copy_by(["nc", "-N", *server.address]) == (0, DATA)
    assert ends_well(server)


def test_nc_gets_its_copy_over_a_unix_socket(serve, tmp_path):
    need("nc")
    if not is_openbsd_nc():
        pytest.skip("this nc is not OpenBSD's: it has no -N")
    server = serve(f"unix:{tmp_path}/echo")
    assert copy_by(["nc", "-N", "-U", tmp_path / "echo"]) == (0, DATA)
    assert ends_well(server)


def test_ncat_gets_its_copy(server):
    assert copy_by([need("ncat"), *server.address]) == (0, DATA)
    assert ends_well(server)


def test_socat_gets_its_copy(server):
    host, port = server.address
    assert copy_by([need("socat"), "-t", TIMEOUT, "-", f"TCP:{host}:{port}"]) == (0, DATA)
    assert ends_well(server)


def test_socat_gets_its_copy_over_an_abstract_socket(serve):
    name = f"tcpecho-strangers-{os.getpid()}"
    server = serve(f"unix:@{name}")
    assert copy_by([need("socat"), "-t", TIMEOUT, "-", f"ABSTRACT:{name}"]) == (0, DATA)
    assert ends_well(server)


def test_telnet_shows_each_line_as_it_comes_back(server):
    need("telnet")
    host, port = server.address
    with subprocess.Popen(
        ["telnet", host, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as telnet:
        for line in (b"hello\n", b"how are you?\n"):
            telnet.stdin.write(line)
            telnet.stdin.flush()
            while shown := telnet.stdout.readline():
                if shown.replace(b"\r", b"") == line:
                    break
            assert shown, f"telnet has ended before it showed {line!r}"
        telnet.stdin.close()
    server.ends(1)


# Bash has no half-close: it counts the bytes that come back, and then closes. A background command would get
# /dev/null as its input.
BASH = """
exec 3<>"/dev/tcp/$1/$2" 4<&0
cat <&4 >&3 &
head -c "$3" <&3
wait
"""


def test_bash_gets_its_copy(server):
    need("bash")
    assert copy_by(["bash", "-c", BASH, "bash", *server.address, len(DATA)]) == (0, DATA)
    assert ends_well(server)


def test_asyncio_gets_its_copies_fifty_at_a_time(server):
    async def copy():
        reader, writer = await asyncio.open_connection(*server.address)

        async def write():
            writer.write(DATA)
            await writer.drain()
            writer.write_eof()

        _, data = await asyncio.gather(write(), reader.read())
        writer.close()
        return data == DATA

    async def copies():
        return await asyncio.wait_for(asyncio.gather(*[copy() for _ in range(50)]), TIMEOUT * 2)

    assert all(asyncio.run(copies()))


# ---- their servers ----


@contextlib.contextmanager
def stranger(*command):
    """Starts a foreign server; PORT in its arguments is where it listens. Yields host and port."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    process = subprocess.Popen([word.replace("PORT", str(port)) for word in command], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_listening(port), f"{command[0]} to listen")
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait(TIMEOUT)


def is_listening(port):
    """Tests it without a connection, because some servers would count that as their client."""
    return any(sock.local_port == port and sock.state == LISTEN for sock in tcp_sockets())


SOCAT = ["socat", "-t", "30", "TCP-LISTEN:PORT,bind=127.0.0.1,fork,reuseaddr"]
INETD = 'echo "127.0.0.1:PORT stream tcp nowait $(id -un) /bin/cat cat" > "$0" && exec inetd -d "$0"'
FAITHFUL = {
    "socat, cat": [*SOCAT, "EXEC:cat"],
    "socat, a pipe": [*SOCAT, "PIPE"],
    "inetd": ["sh", "-c", INETD, "CONFIGURATION"],
}
NCAT = ["ncat", "-k", "-l", "127.0.0.1", "PORT", "--exec", "/bin/cat"]


@pytest.mark.parametrize("name", FAITHFUL)
def test_talk_gets_its_copies(talk, tmp_path, name):
    need(name.split(",")[0].split()[0])
    command = [word.replace("CONFIGURATION", f"{tmp_path}/inetd.conf") for word in FAITHFUL[name]]
    with stranger(*command) as where:
        for data in (b"", b"hello\n", DATA):
            assert talk(*where, input=data).finish() == (0, data, "")


def test_talk_gets_its_lines_from_ncat(talk):
    """Line by line: with more bytes in flight, ncat and its command wait for each other for ever.

    The input ends when all is back, because ncat drops what its command has not answered by then.
    """
    need("ncat")
    with stranger(*NCAT) as where:
        client = talk(*where)
        for number in range(1000):
            line = b"%0100d\n" % number
            client.stdin.write(line)
            client.stdin.flush()
            assert client.stdout.read(len(line)) == line
        assert client.finish() == (0, b"", "")


def test_talk_finds_out_whether_ncat_has_lost_the_end(talk):
    """ncat does not always lose it: the verdict must be right."""
    need("ncat")
    with stranger(*NCAT) as where:
        for _ in range(10):
            status, output, error = talk(*where, input=b"hello\n").finish()
            if output == b"hello\n":
                assert (status, error) == (0, "")
            else:
                assert status == 1
                assert error.startswith(f"tcpecho: server ended early: {len(output)} of 6 bytes came back")


async def echo(reader, writer):
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


def test_talk_gets_its_copies_from_asyncio(talk):
    async def copies():
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            where = server.sockets[0].getsockname()
            for data in (b"", b"hello\n", DATA):
                finish = talk(*where, input=data).finish
                assert await asyncio.to_thread(finish) == (0, data, "")

    asyncio.run(copies())
