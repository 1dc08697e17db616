# SPDX-License-Identifier: MIT
"""The log: one line per record, for people or for programs, and it never delays the service."""
import contextlib
import json
import os
import re
import signal
import socket

import pytest

import outputs
from harness import proc_state, reset, wait_until

# The fields of each kind of line in --log json, in order.
FIELDS = {
    "listening": ["event", "address", "engine", "max_clients"],
    "end": ["event", "peer", "in", "out", "seconds", "reason"],
    "totals": ["event", "clients", "accepted", "ended", "killed", "turned_away", "in", "out"],
    "warning": ["event", "message"],
    "notice": ["event", "message"],
    "error": ["event", "message"],
    "dropped": ["event", "lines"],
}

# Additional fields of an `end` record, by its reason.
MORE = {"killed": ["signal"], "error": ["error"]}

# A record in text: a word and key=value, the value in quotes where it has a space.
RECORD = r'(end|totals|dropped)( \w+=("(\\.|[^"\\])*"|[^ "]+))+'
SENTENCE = r"(listening on|tcpecho: |SIG[A-Z]+: no new clients|drain timeout: |killing )"


def json_records(text):
    """Returns the lines of a log as dicts, after a check that each has exactly its fields."""
    records = []
    assert text.endswith("\n")
    for line in text.splitlines():
        pairs = json.loads(line, object_pairs_hook=list)
        record = dict(pairs)
        expected = FIELDS[record["event"]] + MORE.get(record.get("reason"), [])
        assert [name for name, _ in pairs] == expected, line
        records.append(record)
    return records


def converse_in_every_way(server):
    """Clients that end normally, clients that reset, and a client whose child is killed; the totals; then the drain
    with one client left."""
    assert server.is_faithful(b"hello\n")
    server.wait_for_log("eof")
    sock = server.connect()
    server.child_of(sock)
    reset(sock)
    server.wait_for_log("reset")
    with server.connect() as sock:
        os.kill(server.child_of(sock), signal.SIGKILL)
        server.wait_for_log("killed")
    server.send(signal.SIGUSR1)
    server.wait_for_log("totals")
    with server.connect() as sock:
        server.child_of(sock)
        assert server.end(signal.SIGTERM) == 1


# ---- for programs ----


@pytest.mark.usefixtures("own_network")
def test_every_line_in_json_is_an_object_with_its_fields(serve):
    server = serve("--log", "json", "127.0.0.1:2000")
    assert server.end() == 0
    assert [record["event"] for record in json_records(server.log())] == ["warning", "listening", "notice", "totals"]


def test_all_that_can_happen_to_clients_in_json(serve):
    server = serve("--log", "json", "--drain-timeout", "100ms", "127.0.0.1:0")
    converse_in_every_way(server)
    records = json_records(server.log())
    events = [record["event"] for record in records]
    assert events[:5] == ["listening", "end", "end", "end", "totals"]
    assert sorted(events[5:]) == ["end", "notice", "notice", "totals"]
    assert records[0]["address"] == f"127.0.0.1:{server.port}"
    assert (records[0]["engine"], records[0]["max_clients"]) == ("fork", 1024)

    ends = [record for record in records if record["event"] == "end"]
    assert [end["reason"] for end in ends] == ["eof", "reset", "killed", "drain"]
    assert (ends[0]["in"], ends[0]["out"]) == (6, 6)
    assert ends[2]["signal"] == "SIGKILL"
    for end in ends:
        assert re.fullmatch(r"127\.0\.0\.1:\d+", end["peer"])
        assert isinstance(end["seconds"], float) and 0 <= end["seconds"] < 1000

    last = records[-1]
    assert (last["accepted"], last["ended"], last["killed"], last["turned_away"]) == (4, 4, 1, 0)
    assert (last["clients"], last["in"], last["out"]) == (0, 6, 6)


def test_an_error_in_json(serve, server):
    second = serve("--log", "json", f"127.0.0.1:{server.port}", wait=False)
    assert second.wait() == 4
    (record,) = json_records(second.log())
    assert record["event"] == "error"
    assert record["message"].startswith(f"cannot listen on 127.0.0.1 port {server.port}: address already in use")


# ---- for people ----


def test_all_that_can_happen_to_clients_in_text(serve):
    server = serve("--drain-timeout", "100ms", "127.0.0.1:0")
    converse_in_every_way(server)
    for line in server.log().splitlines():
        assert re.fullmatch(RECORD, line) or re.match(SENTENCE, line), line
    ends = server.ends()
    assert [end["reason"] for end in ends] == ["eof", "reset", "killed", "drain"]
    assert all(list(end)[:5] == ["peer", "in", "out", "seconds", "reason"] for end in ends)
    assert all(re.fullmatch(r"\d+\.\d{3}", end["seconds"]) for end in ends)
    assert ends[2]["signal"] == "SIGKILL"
    assert re.fullmatch(
        r"totals clients=0 accepted=4 ended=4 killed=1 turned_away=0 in=6 out=6", server.log_lines("^totals")[-1]
    )


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.usefixtures("own_network")
def test_quiet_leaves_out_the_clients_and_nothing_else(serve, form):
    server = serve("--quiet", "--log", form, "127.0.0.1:2000", "unix:@quiet")
    server.send(signal.SIGUSR1)
    server.wait_for_log("totals")
    assert server.end() == 0
    loud = {"warning": 1, "listening": 2, "totals": 2, "no new clients": 1}
    for pattern, count in loud.items():
        assert len(server.log_lines(pattern)) == count
    assert len(server.log_lines()) == sum(loud.values())


def test_quiet_says_nothing_of_a_client(serve):
    server = serve("--quiet", "127.0.0.1:0")
    assert server.is_faithful()
    server.wait_for_children(0)
    assert server.end() == 0
    assert server.log_lines("^end ") == []
    assert "accepted=1 ended=1" in server.log_lines("^totals")[-1]


def test_standard_output_stays_empty(program, serve, tmp_path):
    """Standard output is for results, and the server has none."""
    with open(tmp_path / "output", "wb") as output:
        server = serve("127.0.0.1:0", preexec=lambda: os.dup2(output.fileno(), 1))
        assert server.is_faithful()
        server.ends(1)
        assert server.end() == 0
    assert (tmp_path / "output").read_bytes() == b""


# ---- whatever the input ----

HOSTILE = 'a\nend peer=forged\r\n{"event":"end"}\x1b[2J\x07\x7f\\"é\u202e'
SHOWN = 'a^Jend peer=forged^M^J{"event":"end"}^[[2J^G^?\\"é\\xe2\\x80\\xae'


@contextlib.contextmanager
def hostile_server(serve, name, *options):
    """A server on an abstract socket of that name, after one conversation."""
    with open(os.devnull, "wb") as nothing:  # no text, so the harness reads no addresses from it
        server = serve(
            "--ready-fd", "1", *options, f"unix:@{name}", wait=False, preexec=lambda: os.dup2(nothing.fileno(), 1)
        )
    server.wait_for_log("listening")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect("\0" + name)
        sock.sendall(b"hello\n")
        assert sock.recv(100) == b"hello\n"
    server.wait_for_log("reason")
    yield server
    assert server.end() == 0


def test_a_name_cannot_forge_a_line_in_text(serve):
    name = f"{os.getpid()}{HOSTILE}"
    with hostile_server(serve, name) as server:
        first, end = server.log().splitlines()
        assert first == f"listening on unix:@{os.getpid()}{SHOWN} (engine fork, at most 1024 clients)"
        assert re.fullmatch(rf"end peer=unix:{os.getpid()} in=6 out=6 seconds=\d+\.\d+ reason=eof", end)


def test_a_name_cannot_forge_a_line_in_json(serve):
    with hostile_server(serve, f"{os.getpid()}{HOSTILE}", "--log", "json") as server:
        first, end = json_records(server.log())
        assert first["address"] == f"unix:@{os.getpid()}{SHOWN}"
        assert end["peer"] == f"unix:{os.getpid()}"


def test_a_name_that_ends_within_a_character_is_shown_to_its_end(serve):
    name = os.fsdecode(f"{os.getpid()}".encode() + b"\xe2\x82")
    with hostile_server(serve, name, "--log", "json") as server:
        assert json_records(server.log())[0]["address"] == f"unix:@{os.getpid()}\\xe2\\x82"


def test_an_unavailable_address_is_an_error_of_one_line(serve, tmp_path):
    server = serve(f"unix:{tmp_path}/no\nsuch\x1b[2Jplace/echo", wait=False)
    assert server.wait() == 4
    (line,) = server.log().splitlines()
    assert line.endswith("/no^Jsuch^[[2Jplace/echo: no such file or directory (its directory does not exist)")


# ---- a reader that has stopped reading ----


@pytest.mark.parametrize("kind", outputs.ALL)
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_reader_that_has_stopped_does_not_stop_the_service_and_gets_the_count_of_what_it_missed(serve, kind, form):
    log = kind()
    text = ""

    def is_accounted_for(n):
        nonlocal text
        text += log.read().decode()
        return text.endswith("\n") and outputs.lines_and_dropped(text) == n

    try:
        server = serve("--log", form, "127.0.0.1:0", preexec=lambda: os.dup2(log.writer, 2))
        for _ in range(kind.lines):
            assert server.is_faithful(b"")  # it has had its child
        # Every line has been written or dropped before the test reads.
        wait_until(lambda: not server.children() and proc_state(server.pid) == "S", "the last child to be reaped")
        wait_until(lambda: is_accounted_for(1 + kind.lines), "what was missed")  # the listening line, and every end
        assert server.is_faithful()
        wait_until(lambda: is_accounted_for(1 + kind.lines + 1), "the next line")
        assert server.end() == 0
    finally:
        log.close()

    lines = text.splitlines()
    assert any("dropped" in line for line in lines)
    if form == "json":
        assert json_records(text)[-1]["event"] == "end"
    else:
        assert all(re.fullmatch(RECORD, line) or re.match(SENTENCE, line) for line in lines)
