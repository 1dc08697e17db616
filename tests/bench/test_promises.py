# SPDX-License-Identifier: MIT
"""The table of promises: our server keeps them all, and each check detects a server that breaks one."""
import pathlib
import sys
import types

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import compare  # noqa: E402
import promises  # noqa: E402
import servers  # noqa: E402

pytestmark = pytest.mark.alone  # it measures

OPTIONS = types.SimpleNamespace(unread=16 * promises.MIB, connections=300, seconds=30)
PROMISES = promises.promises(OPTIONS)

BROKEN_ECHO = pathlib.Path(__file__).with_name("broken_echo.py")


@pytest.fixture(scope="session")
def tools(build):
    directory = compare.build(build / "bench")
    compare.build_peers(directory)
    return directory


@pytest.fixture
def keep(tools, tmp_path):
    def run(name, kind):
        OPTIONS.load = tools / "load"
        return promises.keep(PROMISES[name], kind, tmp_path, OPTIONS)

    return run


@pytest.mark.parametrize("name", PROMISES)
def test_tcpecho_keeps_it(name, keep, program, sanitized):
    if sanitized and name == "never-read":
        pytest.skip("a sanitizer's memory is not the program's")
    assert keep(name, servers.engine("fork", program, "fork"))[0], name


def broken(how):
    words = ["/usr/bin/python3", str(BROKEN_ECHO), how]
    return servers.Kind(how, words[0], lambda port, _: [*words, str(port)])


# Arguments of a server that breaks the promise, and the observation. A number: offset of the byte that comes back
# wrong.
BREAKERS = {
    "half-close": ("5000000", "byte 5,000,000 is wrong"),
    "never-read": ("9000000", "byte 9,000,000 is wrong"),
    "no-stall": ("700000", "byte 700,000 is wrong"),
    "resets": ("one-at-a-time", "moved"),
    "slow-readers": ("one-at-a-time", "beside 100 slow readers"),
    "byte-at-a-time": ("3999", "byte 3,999 is wrong"),
    "short": ("63", "byte 63 differs"),
    "term": ("70", "after TERM"),
}


@pytest.mark.parametrize("name", BREAKERS)
def test_a_server_that_breaks_it_is_found(name, keep, monkeypatch):
    monkeypatch.setattr(promises, "SILENCE", 2.0)
    how, words = BREAKERS[name]
    kept, seen = keep(name, broken(how))
    assert not kept
    assert words in seen


@pytest.mark.parametrize(
    "name, words", [("urgent", "beforeafter"), ("term", "after TERM"), ("few-descriptors", "of a core while")]
)
def test_the_bare_loop_breaks_what_it_does_not_care_for(name, words, keep, tools):
    kept, seen = keep(name, servers.bare("bare-epoll", tools, "bare-epoll"))
    assert not kept
    assert words in seen


def test_one_that_does_not_start_keeps_nothing(keep):
    kept, seen = keep("half-close", servers.Kind("none", "false", lambda *_: ["false"]))
    assert not kept
    assert "did not start" in seen


def test_the_page_shows_what_was_found():
    kinds = [types.SimpleNamespace(name=name) for name in ("good", "bad")]
    table = {
        "a: b": {"good": (True, None), "bad": (False, "it ended")},
        "c": {"good": (True, "a note"), "bad": (True, None)},
    }
    page = promises.page(table, kinds, {"other": "it is not installed"}, "./dev peers")
    assert "| a: b | yes | **no** (1) |" in page
    assert "1. bad, a: it ended" in page
    assert "| kept | 2 of 2 | 1 of 2 |" in page
    assert "Left out: other: it is not installed." in page
