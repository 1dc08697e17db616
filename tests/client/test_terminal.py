# SPDX-License-Identifier: MIT
"""Output on a terminal: no server can control the user's terminal, and the output has no noise.

A terminal obeys control bytes: they move the cursor, overwrite text, rename the window, or type input. So `talk`
escapes them on a terminal; a file or a pipe gets every byte unchanged. The progress line and the colours appear on
a terminal only.
"""
import random
import re
import signal
import threading

import pytest

import faulty_servers
from faulty_servers import FaultyServer
from terminal import Terminal

UTF8 = {"LC_ALL": "C.UTF-8"}
ASCII = {"LC_ALL": "C"}
LOCALES = pytest.mark.parametrize("locale", [UTF8, ASCII], ids=["C.UTF-8", "C"])

# Control sequences of ECMA-48, xterm and the Linux console.
SEQUENCES = [
    b"\x1b[2J\x1b[H",  # clear the screen
    b"\x1b[1A\x1b[2K",  # wipe the line above
    b"\x1b[31;1;5mred\x1b[0m",
    b"\x1b]0;title\x07",  # the window's title
    b"\x1b]52;c;cm0gLXJmIH4=\x1b\\",  # the clipboard
    b"\x1b[6n\x1b[c\x1b[>c\x1b[0x",  # queries that the terminal answers as typed input
    b"\x1bGQ",  # the one of CVE-2021-33477
    b"\x1b]10;?\x07\x1b]4;1;?\x07",
    b"\x1bP$q\"p\x1b\\",  # DECRQSS
    b"\x1b_application\x1b\\\x1b^private\x1b\\\x1bXstring\x1b\\",
    b"\x1b(0lqqk\x1b(B\x0e\x0f",  # character sets
    b"\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[?1000h",
    b"\x1bc\x1b#8\x1b[!p",  # resets and test screens
    b"\x1b[4i\x1b[5i",  # printing
    b"over\x08\x08\x08\x08written\rreturned\x0b\x0c\x07\x05",
    "\x9b2J\x9d0;title\x9c\x90q\x9c\x85\x84".encode(),  # C1 in UTF-8
    b"\x9b2J\x9d0;title\x9c\x90q\x9c\x85\x84",  # C1 as bytes
    "\u202eexe.txt\u202c \u2066a\u2069 \u200f\u200e\u061c\u200b\u2028\u2029\ufeff".encode(),
    "\U000e0041\U000e007f\ufff9\u2060".encode(),
    b"\xc0\x9b\xe0\x82\x9b\xf0\x80\x82\x9b",  # overlong UTF-8 forms of controls
    b"\xc0\x80\xc1\xbf\xe0\x80\x80\xf4\x90\x80\x80\xf8\x88\x80\x80\x80\xfe\xff",
    b"\xed\xa0\x80\xed\xbf\xbf",  # surrogates
    b"\xe2\x82\x1b[2J\xe2\x1b\xf0\x9f\x99\n\xc3",  # cut short by a control
    b"\x7f\x7f\x00\x00\x11\x13\x1a\x03\x04\x15\x16\x17\x1c",
]

PLAIN = {
    b"plain text, \"quotes\", ^A and \\x1b as text\n": b"plain text, \"quotes\", ^A and \\x1b as text\n",
    b"a\ttab and\nnew lines\n\n": b"a\ttab and\nnew lines\n\n",
}

SHOWN = {
    b"\x1b[2J": b"^[[2J",
    b"\0\x01\x07\x08\x0b\x0c\r\x1f\x7f": b"^@^A^G^H^K^L^M^_^?",
    b"\x80\x9b\xff\xfe": b"\\x80\\x9b\\xff\\xfe",
    b"\xc0\x80": b"\\xc0\\x80",
    b"\xe2\x82 cut": b"\\xe2\\x82 cut",
    b"\xe2\x82\xe2\x82": b"\\xe2\\x82\\xe2\\x82",
    "\x9b2J".encode(): b"\\xc2\\x9b2J",
    "\u202e".encode(): b"\\xe2\\x80\\xae",
    b"the end is cut \xf0\x9f\x99": b"the end is cut \\xf0\\x9f\\x99",
}

FOREIGN = "grüße, γειά, שלום, 你好, 🙂\n"

# C0 except \n and \t, DEL, C1, and characters that make text look different from what it is.
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")


def show(talk, server, data, *options, env=UTF8):
    """Returns the terminal output when these bytes come back. A pipe is the input."""
    with Terminal() as terminal:
        client = talk(*options, server, stdout=terminal.slave, env=env)
        feeder = threading.Thread(target=lambda: (client.stdin.write(data), client.stdin.close()))
        feeder.start()
        seen = terminal.read_to_end()
        feeder.join()
        assert (client.wait(), client.process.stderr.read()) == (0, b"")
        return seen


def assert_harmless(seen, env):
    """A terminal with that locale obeys no byte of it."""
    text = seen.decode("utf-8" if env is UTF8 else "ascii")
    found = OBEYED.search(text)
    assert not found, f"{found.group()!r} after {text[: found.start()][-100:]!r}"


# ---- control bytes ----


@LOCALES
@pytest.mark.parametrize("data, shown", [*PLAIN.items(), *SHOWN.items()])
def test_what_a_terminal_would_obey_is_shown(server, talk, data, shown, locale):
    assert show(talk, server, data, env=locale) == shown


@LOCALES
@pytest.mark.parametrize("sequence", SEQUENCES)
def test_no_control_sequence_reaches_a_terminal(server, talk, sequence, locale):
    seen = show(talk, server, b"before" + sequence + b"after", env=locale)
    assert seen.startswith(b"before") and seen.endswith(b"after")
    assert_harmless(seen, locale)


@LOCALES
def test_no_mixture_of_them_reaches_a_terminal(server, talk, locale):
    """A hundred thousand of them in random order, cut at any byte."""
    dice = random.Random(8)
    pieces = []
    for _ in range(100_000):
        sequence = dice.choice(SEQUENCES)
        start = dice.randrange(len(sequence))
        pieces.append(sequence[start : start + dice.randrange(1, 5)])
    assert_harmless(show(talk, server, b"".join(pieces), env=locale), locale)


@LOCALES
def test_no_byte_alone_or_in_a_pair_reaches_a_terminal(server, talk, locale):
    data = bytes(byte for first in range(256) for second in range(256) for byte in (first, second))
    assert_harmless(show(talk, server, data, env=locale), locale)


def test_every_code_point_of_utf8_is_shown_as_it_is_or_as_its_bytes(server, talk):
    points = [chr(point) for point in range(0x80, 0x30000, 7) if not 0xD800 <= point < 0xE000]
    seen = show(talk, server, "\n".join(points).encode()).decode().split("\n")
    assert len(seen) == len(points)
    for point, shown in zip(points, seen):
        escaped = "".join(f"\\x{byte:02x}" for byte in point.encode())
        assert shown == (escaped if OBEYED.match(point) else point)


def test_text_of_all_the_world_passes_where_the_terminal_understands_it(server, talk):
    assert show(talk, server, FOREIGN.encode(), env=UTF8) == FOREIGN.encode()


def test_it_is_shown_as_bytes_where_the_terminal_does_not(server, talk):
    seen = show(talk, server, "grüße\n".encode(), env=ASCII)
    assert seen == b"gr\\xc3\\xbc\\xc3\\x9fe\n"


@pytest.mark.parametrize("character", ["é", "€", "🙂"])
def test_a_character_cut_by_two_segments_appears_whole(talk, character):
    data = character.encode()
    for cut in range(1, len(data)):
        second = threading.Event()
        with FaultyServer(faulty_servers.answer_in_two(1 + cut, second)) as faulty, Terminal() as terminal:
            client = talk(*faulty.words, stdout=terminal.slave, env=UTF8)
            client.stdin.write(b"<" + data + b">")
            client.stdin.close()
            terminal.wait_for(b"<")
            assert terminal.see_for(0.1) == b"<"
            second.set()
            assert terminal.read_to_end() == b"<" + data + b">"
            assert client.wait() == 0


@pytest.mark.parametrize("treatment", [faulty_servers.answer_and_end, faulty_servers.answer_and_reset, faulty_servers.answer_and_hang])
def test_a_character_cut_by_the_end_of_the_conversation_is_shown(talk, treatment):
    """However the connection ended: these bytes came back, so they must appear."""
    with FaultyServer(treatment(3, 4)) as faulty, Terminal() as terminal:
        client = talk("--timeout", "1s", *faulty.words, stdout=terminal.slave, env=UTF8)
        client.stdin.write(b"<\xe2\x82\xac")
        client.stdin.close()
        assert terminal.read_to_end() == b"<\\xe2\\x82"
        assert client.wait() == 1


@pytest.mark.parametrize("switch", [dict(options=["--raw"]), dict(env={"TCPECHO_TALK_RAW": "1"})])
def test_raw_lets_everything_through(server, talk, switch):
    data = b"".join(SEQUENCES) + bytes(range(256)) * 100
    seen = show(talk, server, data, *switch.get("options", []), env={**UTF8, **switch.get("env", {})})
    assert seen == data


def test_a_pipe_gets_them_as_they_are(server, talk):
    data = b"".join(SEQUENCES) + bytes(range(256)) * 100
    assert talk(server, input=data, env=UTF8).finish() == (0, data, "")


def test_a_file_gets_them_as_they_are_though_the_errors_go_to_a_terminal(server, talk, tmp_path):
    data = b"".join(SEQUENCES)
    with open(tmp_path / "copy", "wb") as copy, Terminal() as terminal:
        client = talk(server, input=data, stdout=copy, preexec=terminal.as_stderr)
        assert client.finish() == (0, None, "")
        assert terminal.read_to_end() == b""
    assert (tmp_path / "copy").read_bytes() == data


def test_wrong_bytes_are_shown_as_harmlessly_as_right_ones(talk):
    with FaultyServer(faulty_servers.speak_first(b"\x1b]0;title\x07\x9b2J")) as faulty, Terminal() as terminal:
        client = talk(*faulty.words, stdout=terminal.slave, env=UTF8)
        assert terminal.read_to_end() == b"^[]0;title^G\\x9b2J"
        assert client.wait() == 1


# ---- the progress line ----

PROGRESS = rb"\r(\d+(\.\d)? [KMG]?i?B)  (\d+(\.\d)? [KMG]?i?B)/s(  (\d+) %)? *"
GONE = b"\r" + b" " * 40 + b"\r"

# An echo of 40 kB that takes two seconds.
SLOW = faulty_servers.drip(0.05, size=1000)
SLOW_DATA = b"x" * 40_000


def progress_lines(seen):
    """Returns the progress lines as (bytes, rate, share or None), and asserts that the output has no other lines."""
    lines = re.sub(re.escape(GONE) + rb"\Z", b"", seen)
    assert re.fullmatch(rb"(" + PROGRESS + rb")*", lines), seen
    return [(match[1], match[3], match[6]) for match in re.finditer(PROGRESS, lines)]


@pytest.fixture
def copy(tmp_path):
    with open(tmp_path / "copy", "wb") as file:
        yield file


def test_a_long_copy_shows_its_progress_and_takes_the_line_away(talk, tmp_path, copy):
    (tmp_path / "file").write_bytes(SLOW_DATA)
    with FaultyServer(SLOW) as faulty, Terminal() as terminal, open(tmp_path / "file", "rb") as file:
        client = talk(*faulty.words, stdin=file, stdout=copy, preexec=terminal.as_stderr)
        seen = terminal.read_to_end()
        assert client.wait() == 0
    assert seen.endswith(GONE)
    lines = progress_lines(seen)
    assert len(lines) >= 2
    shares = [int(share) for _, _, share in lines]
    assert shares == sorted(shares) and 0 <= shares[0] and shares[-1] <= 100


def test_the_share_is_of_the_rest_of_the_file(talk, tmp_path, copy):
    """`(head -c 40000 > /dev/null; tcpecho talk) < file` starts in the middle of the file."""
    (tmp_path / "file").write_bytes(SLOW_DATA * 2)
    with FaultyServer(SLOW) as faulty, Terminal() as terminal, open(tmp_path / "file", "rb", buffering=0) as file:
        file.seek(len(SLOW_DATA))
        client = talk(*faulty.words, stdin=file, stdout=copy, preexec=terminal.as_stderr)
        lines = progress_lines(terminal.read_to_end())
        assert client.wait() == 0
    sizes = {b"B": 1, b"KiB": 1024}
    for size, _, share in lines:
        number, unit = size.split()
        assert abs(int(share) - float(number) * sizes[unit] * 100 / len(SLOW_DATA)) < 2


def test_of_a_pipe_no_share_is_known(talk, copy):
    with FaultyServer(SLOW) as faulty, Terminal() as terminal:
        client = talk(*faulty.words, stdout=copy, preexec=terminal.as_stderr)
        client.stdin.write(SLOW_DATA)
        client.stdin.close()
        lines = progress_lines(terminal.read_to_end())
        assert client.wait() == 0
    assert len(lines) >= 2
    assert all(share is None for _, _, share in lines)


def test_the_words_of_an_error_stand_alone_on_the_line(talk, copy):
    with FaultyServer(faulty_servers.never_reply) as faulty, Terminal() as terminal:
        client = talk(
            "--timeout", "1500ms", *faulty.words, stdout=copy, preexec=terminal.as_stderr, env={"NO_COLOR": "1"}
        )
        client.stdin.write(b"hello\n")
        client.stdin.close()
        seen = terminal.read_to_end()
        assert client.wait() == 1
    progress, gone, words = seen.rpartition(GONE)
    assert progress_lines(progress) and gone
    assert words == b"tcpecho: no reply for 1500ms: 0 of 6 bytes came back\n"


def test_the_line_is_taken_away_too_when_the_reader_of_the_output_goes(talk):
    with FaultyServer(SLOW) as faulty, Terminal() as terminal:
        client = talk(*faulty.words, preexec=terminal.as_stderr)
        client.stdin.write(SLOW_DATA)
        client.stdin.flush()
        terminal.wait_for(b"/s")
        client.stdout.close()
        assert client.wait() == -signal.SIGPIPE
        assert terminal.read_to_end().endswith(GONE)


def test_what_takes_less_than_a_second_shows_none(server, talk, copy):
    with Terminal() as terminal:
        client = talk(server, input=b"quick\n", stdout=copy, preexec=terminal.as_stderr)
        assert client.finish() == (0, None, "")
        assert terminal.read_to_end() == b""


def test_none_where_errors_do_not_go_to_a_terminal(talk, copy):
    with FaultyServer(SLOW) as faulty:
        assert talk(*faulty.words, input=SLOW_DATA, stdout=copy).finish() == (0, None, "")


def test_none_where_the_output_is_on_the_terminal(talk):
    with FaultyServer(SLOW) as faulty, Terminal() as terminal:
        client = talk(*faulty.words, stdout=terminal.slave, preexec=terminal.as_stderr)
        client.stdin.write(SLOW_DATA)
        client.stdin.close()
        assert terminal.read_to_end() == SLOW_DATA
        assert client.wait() == 0


def test_none_where_the_input_is_typed(server, talk, copy):
    with Terminal() as terminal:
        client = talk(server, stdin=terminal.slave, stdout=copy, preexec=terminal.as_stderr)
        server.wait_for_children(1)
        assert terminal.see_for(1.5) == b""
        terminal.type(b"\x04")
        assert terminal.read_to_end() == b""
        assert client.wait() == 0


# ---- colours ----


def error_on_a_terminal(talk, tmp_path, **env):
    """Returns the terminal output of an error that is the same each time."""
    with Terminal() as terminal:
        client = talk("unix:/gone", input=b"", env=env, preexec=terminal.as_stderr)
        client.process.communicate()
        assert client.wait() == 3
        return terminal.read_to_end()


WORDS = b"cannot connect to unix:/gone: no such file or directory (is a server listening there?)\n"


@pytest.mark.parametrize("env", [dict(TERM="xterm"), dict(TERM="linux", NO_COLOR="")])
def test_an_error_is_red_on_a_terminal(talk, tmp_path, env):
    env = {"NO_COLOR": "", **env}
    assert error_on_a_terminal(talk, tmp_path, **env) == b"\x1b[1;31mtcpecho: \x1b[0m" + WORDS


@pytest.mark.parametrize("env", [dict(TERM="xterm", NO_COLOR="1"), dict(TERM="xterm", NO_COLOR="0"), dict(TERM="dumb")])
def test_it_is_plain_where_colour_is_not_wanted(talk, tmp_path, env):
    assert error_on_a_terminal(talk, tmp_path, **env) == b"tcpecho: " + WORDS


def test_it_is_plain_where_it_does_not_go_to_a_terminal(talk):
    client = talk("unix:/gone", input=b"", env={"TERM": "xterm", "NO_COLOR": ""})
    assert client.finish() == (3, b"", "tcpecho: " + WORDS.decode())


@pytest.mark.usefixtures("own_network")
def test_a_warning_is_yellow_on_a_terminal(serve):
    with Terminal() as terminal:
        server = serve("127.0.0.1:2000", preexec=terminal.as_stderr, env={"TERM": "xterm", "NO_COLOR": ""})
        terminal.wait_for(b"listening on 127.0.0.1:2000")
        assert terminal.seen.startswith(b"tcpecho: \x1b[1;33mwarning: \x1b[0mport 2000 is a poor choice: ")
        assert server.end() == 0
