# SPDX-License-Identifier: MIT
"""Comments, messages and documents are in plain words: tests/plain_words.py finds the others."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import plain_words  # noqa: E402


def test_sources_and_documents_have_no_markers():
    assert plain_words.findings() == ([], [])


@pytest.mark.parametrize("line", [
    "the client who has more to send", "	/* Of the sockets only the last is closed */", "stop after so many messages",
    "the worker is told by a pipe", " * Those that are left wait", "NULL: there is none", "the connection hears of it",
    "a child of its parent's namespace, and of its own", "one that nobody reads", "one that is patient",
])
def test_a_marker_is_found(line):
    assert plain_words.MARKER.search(line)


@pytest.mark.parametrize("line", [
    "whole blocks", "stop after N messages", "the offset of a byte", "The end", "a threshold", "at most 64 kB of data",
])
def test_plain_words_pass(line):
    assert plain_words.MARKER.search(line) is None


def test_an_allowed_line_has_its_reason(tmp_path, monkeypatch):
    assert all(texts for texts in plain_words.allowed().values())
    monkeypatch.setattr(plain_words, "ALLOWED", tmp_path / "allowed")
    (tmp_path / "allowed").write_text("README.md: told without a reason\n")
    with pytest.raises(SystemExit):
        plain_words.allowed()
