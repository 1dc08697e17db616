# SPDX-License-Identifier: MIT
"""A wrong command line is refused before anything happens, with one sentence that names the wrong word. --help
describes exactly what the parser accepts.
"""
import os
import re
import string
import subprocess

import pytest

import faulty_servers
from faulty_servers import FaultyServer
from harness import TIMEOUT

COMMANDS = ["serve", "talk", "help"]

# An empty word in a message.
EMPTY = "''"


@pytest.fixture
def run(program):
    """Runs the program: run("serve", "--bogus") is (status, output, error text)."""

    def run(*words, env=None, stdout=subprocess.PIPE, preexec=None):
        with open(os.devnull, "rb") as nothing:
            done = subprocess.run(
                [program, *words],
                stdin=nothing,
                stdout=stdout,
                stderr=subprocess.PIPE,
                env={**os.environ, **(env or {})},
                preexec_fn=preexec,
                timeout=TIMEOUT,
            )
        return done.returncode, (done.stdout or b"").decode(), done.stderr.decode()

    return run


@pytest.fixture
def refusal_of(run):
    """Returns the sentence with which a command line is refused: refusal_of("serve", "--bogus")."""

    def refusal_of(*words, **more):
        status, output, error = run(*words, **more)
        assert (status, output) == (2, ""), error
        assert re.fullmatch(r"tcpecho: [^\n\x00-\x1f\x7f]+\n", error), repr(error)
        return error[len("tcpecho: ") : -1]

    return refusal_of


# ---- commands and options ----


@pytest.mark.parametrize("word", ["nothing", "SERVE", "serv", "", "--bogus", "-x", "--", "--versio", "serve "])
def test_a_command_that_there_is_not(refusal_of, word):
    assert refusal_of(word) == f"no command {word or EMPTY} (see 'tcpecho help')"


def test_help_on_a_command_that_there_is_not(refusal_of):
    assert refusal_of("help", "nothing") == "no command nothing (see 'tcpecho help')"


def test_help_on_more_than_one_command(refusal_of):
    assert "one command" in refusal_of("help", "serve", "talk")


UNKNOWN = {
    ("--bogus",): "--bogus",
    ("--bogus=1",): "--bogus=1",
    ("--Raw",): "--Raw",
    ("-x",): "-x",
    ("-Z", "--help"): "-Z",
    ("operand", "-x", "operand"): "-x",
    ("--no-such\tthing",): "--no-such^Ithing",
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("words", UNKNOWN)
def test_an_option_that_there_is_not(refusal_of, command, words):
    sentence = refusal_of(command, *words)
    assert sentence == f"unknown option {UNKNOWN[words]} (see 'tcpecho {command} --help')"


def test_a_letter_in_a_group_that_is_none(refusal_of):
    assert "-x" in refusal_of("serve", "-qxq")
    assert "-x" in refusal_of("talk", "-46x")


def test_a_beginning_that_fits_two_options(refusal_of):
    assert "--max" in refusal_of("serve", "--max", "3")


WITHOUT_VALUE = {
    ("serve", "--engine"): "--engine",
    ("serve", "-e"): "--engine",
    ("serve", "-m"): "--max-clients",
    ("serve", "-qm"): "--max-clients",
    ("serve", "9877", "--ready-fd"): "--ready-fd",
    ("serve", "--log"): "--log",
    ("talk", "--timeout"): "--timeout",
    ("talk", "-t"): "--timeout",
}


@pytest.mark.parametrize("words", WITHOUT_VALUE)
def test_an_option_without_its_value(refusal_of, words):
    assert f"{WITHOUT_VALUE[words]} needs a value" in refusal_of(*words)


@pytest.mark.parametrize("words", ["serve --max", "serve --max=3", "talk --ipv"])
def test_an_abbreviation_of_several_options(refusal_of, words):
    assert f"option {words.split()[1]} is ambiguous" in refusal_of(*words.split())


VALUES_FOR_FLAGS = ["serve --quiet=1", "talk --raw=yes", "talk --ipv4=", "talk --help=x", "help --help=x"]


@pytest.mark.parametrize("words", VALUES_FOR_FLAGS)
def test_a_value_where_none_is_taken(refusal_of, words):
    option = words.split()[1].split("=")[0]
    assert f"{option} takes no value" in refusal_of(*words.split())


# ---- values ----


@pytest.mark.parametrize("value", ["1", "007", "4000000"])
def test_a_count(run, value):
    assert run("serve", "--max-clients", value, "--help")[0] == 0


NOT_COUNTS = ["", "x", "-1", "+1", "1k", "1.0", " 1", "1 ", "0x10", "1e3", "1_000", "0", "4000001"]


@pytest.mark.parametrize("value", [*NOT_COUNTS, str(1 << 64), str(1 << 128)])
def test_not_a_count(refusal_of, value):
    assert refusal_of("serve", "--max-clients", value).startswith(f"--max-clients {value or EMPTY}: ")
    assert refusal_of("serve", f"-m{value}" if value else "-m=").startswith("--max-clients ")


def test_the_error_for_a_count_out_of_range_names_the_range(refusal_of):
    assert refusal_of("serve", "-m", "0") == "--max-clients 0: out of range, from 1 to 4000000"


DURATIONS = ["0", "5", "0.25", "250ms", "10s", "2m", "1h", "1.5s", "100us", "7ns", "off", "876000h"]
NOT_DURATIONS = [
    *["", "x", "s", "-1s", "+1s", "1 s", " 1s", "1s ", "1S", "1d", "1.s", ".5s", "1,5s", "1e3s", "0x10s", "1..5s"],
    *["1s1ms", "off1", "inf", "nan", "876001h", "99999999999999999999s", "99999999999999999999"],
]


@pytest.mark.parametrize("value", DURATIONS)
def test_a_duration(run, value):
    assert run("talk", "--timeout", value, "--help")[0] == 0


@pytest.mark.parametrize("value", NOT_DURATIONS)
def test_not_a_duration(refusal_of, value):
    assert refusal_of("talk", "--timeout", value).startswith(f"--timeout {value or EMPTY}: ")
    assert refusal_of("serve", "--idle-timeout", value).startswith(f"--idle-timeout {value or EMPTY}: ")


@pytest.mark.parametrize("value", ["0.3", "300ms", "0.3s", "300000us", "300000000ns", "0.005m"])
def test_a_duration_has_its_unit(talk, value):
    with FaultyServer(faulty_servers.never_reply) as faulty:
        _, _, error = talk("--timeout", value, *faulty.words, input=b"hello\n").finish()
    assert error == "tcpecho: no reply for 300ms: 0 of 6 bytes came back\n"


@pytest.mark.parametrize("words", ["--log xml", "--log JSON", "--log=", "--engine spoon", "-espoon"])
def test_not_one_of_the_words(refusal_of, words):
    sentence = refusal_of("serve", *words.split())
    assert re.match(r"--(log|engine) (xml|JSON|''|spoon): not one of: (text, json|fork)", sentence)


@pytest.mark.parametrize("fd, cause", [("77", "it is not open"), ("0", "it is open for reading only")])
def test_a_ready_fd_that_cannot_be_written_to(refusal_of, fd, cause):
    assert refusal_of("serve", "--ready-fd", fd, "127.0.0.1:0") == f"cannot write to --ready-fd {fd}: {cause}"


# ---- addresses ----

NO_ADDRESSES = [
    *["", "localhost", "1.2.3.4", "[::1]", "[]:80", "::1", "a:b:c", "fe80::1:80", "eighty", "-80", " 80", "80 "],
    *["unix:", "unix:@", "unix:" + "x" * 108, "unix:@" + "x" * 108, "/run/echo", "@echo"],
]
NO_PORTS = ["65536", ":", ":x", ":65536", "host:", "host:x", "host:-1", "host:+1", "host:65536", "[::1]:", "[::1]:x"]


@pytest.mark.parametrize("address", [*NO_ADDRESSES, *NO_PORTS])
def test_not_an_address_to_listen_on(refusal_of, address):
    assert refusal_of("serve", "--", address).startswith(f"{address or EMPTY}: ")


def test_a_bad_address_among_good_ones(refusal_of):
    assert refusal_of("serve", "127.0.0.1:0", "nonsense", ":0").startswith("nonsense: ")


def test_too_many_addresses(refusal_of):
    assert refusal_of("serve", *["127.0.0.1:0"] * 65) == "too many addresses: 65, at most 64"


BAD_SERVERS = {
    ("",): "'': not an address",
    (":80",): ":80: not an address",
    ("unix:",): "unix:: not an address",
    ("unix:" + "x" * 108,): f"unix:{'x' * 108}: the path or name is longer",
    ("host:x",): "host:x: the port must be a number",
    ("host:65536",): "host:65536: the port must be a number",
    ("host:0",): "host:0: the port must be a number",
    ("[::1]:0",): "[::1]:0: the port must be a number",
    ("host", "0"): "0: the port must be a number from 1 to 65535",
    ("host", "65536"): "65536: the port must be a number from 1 to 65535",
    ("host", "echo"): "echo: the port must be a number from 1 to 65535",
    ("host", ""): "'': the port must be a number from 1 to 65535",
    ("host:80", "90"): "host:80 90: the address already has a port",
    ("[::1]:80", "90"): "[::1]:80 90: the address already has a port",
    ("unix:/path", "90"): "unix:/path 90: the address already has a port",
    ("host", "80", "more"): "more: too many operands (write HOST [PORT])",
    ("-4", "-6"): "--ipv4 and --ipv6 exclude each other",
}


@pytest.mark.parametrize("words", BAD_SERVERS)
def test_not_a_server_to_talk_to(refusal_of, words):
    assert refusal_of("talk", *words).startswith(BAD_SERVERS[words])


# ---- words that are not harmless ----

HOSTILE = "a\n\x1b]0;title\x07\x7f\u202e\t"
SHOWN = "a^J^[]0;title^G^?\\xe2\\x80\\xae^I"


@pytest.mark.parametrize(
    "words",
    [
        (HOSTILE,),
        ("help", HOSTILE),
        ("serve", HOSTILE),
        ("serve", "--" + HOSTILE),
        ("serve", "--max-clients", HOSTILE),
        ("serve", "--log=" + HOSTILE),
        ("talk", "host:" + HOSTILE),
        ("talk", "host", HOSTILE),
        ("talk", "host", "80", HOSTILE),
        ("talk", "--timeout", HOSTILE),
    ],
)
def test_a_control_byte_in_a_word_is_shown(refusal_of, words):
    assert SHOWN in refusal_of(*words)


def test_a_control_byte_in_a_variable_is_shown(refusal_of):
    assert SHOWN in refusal_of("talk", env={"TCPECHO_TALK_TIMEOUT": HOSTILE})


def test_a_byte_that_is_no_text_is_shown(refusal_of):
    assert refusal_of("serve", os.fsdecode(b"caf\xe9:80:")).startswith("caf\\xe9:80:: ")


@pytest.mark.parametrize("length", [256, 100_000])
@pytest.mark.parametrize("words", [["talk"], ["serve"], ["serve", "--log"], ["help"], []])
def test_a_word_of_any_length_leaves_room_for_the_cause(refusal_of, words, length):
    sentence = refusal_of(*words, "x" * length)
    assert "x" * 100 in sentence
    assert re.search("not an address|not one of|no command", sentence)


# ---- the environment ----


def options_of(run, command):
    """Returns the options in --help: name -> (letter or None, name of the value or None, explanation)."""
    _, text, _ = run(*command.split(), "--help")
    text = re.sub(r"\n {9,}", " ", text)  # a line that continues
    rows = re.findall(r"^  (?:-(\w), |    )--([a-z0-9-]+)(?: ([A-Z]+))?  +(.*)$", text, re.MULTILINE)
    return {name: (letter or None, value or None, explanation) for letter, name, value, explanation in rows}


def variable_of(command, option):
    return f"TCPECHO_{command}_{option}".replace("-", "_").upper()


@pytest.mark.parametrize("command", ["serve", "talk"])
def test_a_bad_value_in_the_environment_is_refused_by_the_name_of_its_variable(run, refusal_of, command):
    for option in options_of(run, command):
        if option != "help":
            variable = variable_of(command, option)
            assert refusal_of(command, env={variable: "x"}).startswith(f"{variable}=x: ")


@pytest.mark.parametrize("value", ["yes", "true", "2", "-1", ""])
def test_a_flag_in_the_environment_is_0_or_1(refusal_of, value):
    assert refusal_of("talk", env={"TCPECHO_TALK_RAW": value}) == f"TCPECHO_TALK_RAW={value or EMPTY}: must be 0 or 1"


def test_an_option_can_be_set_in_the_environment(serve, talk):
    server = serve("127.0.0.1:0", env={"TCPECHO_SERVE_MAX_CLIENTS": "7", "TCPECHO_SERVE_QUIET": "1"})
    server.wait_for_log(r"^listening on .*, at most 7 clients\)")
    assert server.is_faithful()
    server.wait_for_children(0)
    assert server.ends() == []
    with FaultyServer(faulty_servers.never_reply) as faulty:
        client = talk(*faulty.words, input=b"hello\n", env={"TCPECHO_TALK_TIMEOUT": "300ms"})
        assert client.finish()[0] == 1


def test_the_command_line_wins_over_the_environment(serve, talk):
    server = serve("--max-clients", "5", "127.0.0.1:0", env={"TCPECHO_SERVE_MAX_CLIENTS": "7"})
    server.wait_for_log(r"^listening on .*, at most 5 clients\)")
    with FaultyServer(faulty_servers.never_reply) as faulty:
        client = talk("-t", "300ms", *faulty.words, input=b"hello\n", env={"TCPECHO_TALK_TIMEOUT": "1h"})
        assert client.finish()[2] == "tcpecho: no reply for 300ms: 0 of 6 bytes came back\n"


def test_a_family_on_the_command_line_wins_over_one_in_the_environment(server, talk):
    client = talk("-4", server, input=b"hello\n", env={"TCPECHO_TALK_IPV6": "1"})
    assert client.finish() == (0, b"hello\n", "")


def test_help_is_there_even_where_the_environment_is_wrong(run):
    assert run("serve", "--help", env={"TCPECHO_SERVE_ENGINE": "x"})[0] == 0


def test_a_bad_value_in_the_environment_does_not_count_where_the_command_line_has_a_good_one(server, talk):
    client = talk("--timeout", "1h", server, input=b"hello\n", env={"TCPECHO_TALK_TIMEOUT": "x"})
    assert client.finish() == (0, b"hello\n", "")


def test_a_variable_of_another_command_or_of_no_option_is_nothing_to_us(server, talk):
    env = {"TCPECHO_SERVE_LOG": "x", "TCPECHO_TALK_BOGUS": "x", "TCPECHO_TIMEOUT": "x"}
    assert talk(server, input=b"hello\n", env=env).finish() == (0, b"hello\n", "")


# ---- help and version ----


def test_alone_it_says_how_to_call_it(run):
    status, output, error = run()
    assert (status, output) == (2, "")
    assert error == run("--help")[1]


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_lists_every_command_and_each_explains_itself(run, word):
    status, text, error = run(word)
    assert (status, error) == (0, "")
    assert text.startswith("usage: tcpecho ")
    listed = re.findall(r"^  ([a-z]+) +\S", text, re.MULTILINE)
    assert set(COMMANDS) <= set(listed)
    for command in listed:
        status, text, error = run(command, "--help")
        assert (status, error) == (0, "")
        assert text.startswith(f"usage: tcpecho {command}")
        assert run(command, "-h") == run("help", command) == (0, text, "")


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_version_says_which_it_is_and_what_is_built_in(run, word):
    status, text, error = run(word)
    assert (status, error) == (0, "")
    assert re.fullmatch(r"tcpecho \d+\.\d+\.\d+\nengines:( \w+)+\naddresses: ipv4 ipv6 unix\nsandbox: [a-z ]+\n", text)
    engines = re.search("engines: (.*)", text)[1]
    choices = [*engines.split(), "auto", "help"]
    assert f"{', '.join(choices)} (default" in " ".join(run("serve", "--help")[1].split())


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["help"], ["serve", "--help"], ["help", "talk"]])
def test_help_that_cannot_be_written_is_no_success(run, words):
    with open("/dev/full", "wb") as full:
        assert run(*words, stdout=full) == (4, "", "tcpecho: cannot write standard output: no space left on device\n")
    assert run(*words, preexec=lambda: os.close(1)) == (
        4, "", "tcpecho: cannot write standard output: bad file descriptor\n"
    )


def good_values(value, explanation):
    """Returns values that an option accepts, according to --help."""
    if value is None:
        return []
    words = re.search(r": ([a-z]+(?:, [a-z]+)*) \(default", explanation)
    return words[1].split(", ") if words else {"N": ["1"], "TIME": ["1s"], "NAME": ["root"], "PORT": ["9900"], "SPEC": ["silent"]}[value]


@pytest.mark.parametrize("command", ["serve", "talk"])
def test_every_option_of_help_is_taken_in_every_form(run, refusal_of, command):
    options = options_of(run, command)
    assert len(options) > 3
    for option, (letter, value, explanation) in options.items():
        forms = [[f"--{option}"]] if value is None else []
        forms += [[f"-{letter}"]] if value is None and letter else []
        for good in good_values(value, explanation):
            forms += [[f"--{option}", good], [f"--{option}={good}"]]
            forms += [[f"-{letter}", good], [f"-{letter}{good}"]] if letter else []
        for form in forms:
            status, text, error = run(command, *form, "--help")
            assert (status, error) == (0, ""), form
        if value is not None:
            assert f"--{option}" in refusal_of(command, f"--{option}")


@pytest.mark.parametrize("command", COMMANDS)
def test_no_other_option_is_taken(run, refusal_of, command):
    options = options_of(run, command)
    letters = {letter for letter, _, _ in options.values()}
    for letter in set(string.ascii_letters + string.digits) - letters:
        assert f"unknown option -{letter} " in refusal_of(command, f"-{letter}")
    # getopt_long(3) accepts unique prefixes of names: a prefix would find an option that is not listed.
    for first in string.ascii_lowercase:
        if not any(option.startswith(first) for option in options):
            assert f"unknown option --{first} " in refusal_of(command, f"--{first}")


@pytest.mark.parametrize("command", ["serve", "talk"])
def test_a_beginning_that_fits_one_option_is_that_option(run, command):
    options = options_of(run, command)
    for option, (_, value, explanation) in options.items():
        begin = next(
            (option[:n] for n in range(1, len(option) + 1) if sum(o.startswith(option[:n]) for o in options) == 1),
            option,  # another one begins with it
        )
        good = good_values(value, explanation)[:1]
        assert run(command, f"--{begin}", *good, "--help")[0] == 0, begin


def test_options_and_operands_come_in_any_order(server, talk):
    host, port = server.address
    for words in (["--timeout", "9s", host, port], [host, "--timeout=9s", port], [host, port, "-t9s"]):
        assert talk(*words, input=b"hello\n").finish() == (0, b"hello\n", "")


def test_behind_two_dashes_there_are_no_options(refusal_of):
    assert refusal_of("serve", "--", "--quiet").startswith("--quiet: not an address")
    assert refusal_of("talk", "-4", "--", "--help", "--raw", "-6") == "-6: too many operands (write HOST [PORT])"
