# SPDX-License-Identifier: MIT
"""One conversation: if this fails, check this test first."""


def test_what_is_sent_comes_back(server, talk):
    assert talk(server, input=b"hello\nworld\n").finish() == (0, b"hello\nworld\n", "")
    (end,) = server.ends(1)
    assert (end["in"], end["out"], end["reason"]) == ("12", "12", "eof")
    assert server.end() == 0
