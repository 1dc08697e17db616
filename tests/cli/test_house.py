# SPDX-License-Identifier: MIT
"""The layers of the sources: a file includes its own folder and lower floors, siblings never include each other."""
import pathlib
import re

import pytest

SRC = pathlib.Path(__file__).resolve().parents[2] / "src"

# Folders that each folder may include besides itself: the floors below it (docs/ARCHITECTURE.md).
MAY_INCLUDE = {
    "base": set(),
    "net": {"base"},
    "stats": {"base"},
    "echo": set(),
    "fault": {"base", "echo"},
    "server": {"base", "net", "echo", "fault"},
    "client": {"base", "net", "stats"},
    "report": {"base", "net", "stats"},
    "cli": {"base", "net", "stats", "fault", "server", "client", "report"},
}

# The build generates version.h.
GENERATED = {"version.h"}

SOURCES = sorted(SRC.rglob("*.[ch]"))


def includes(path):
    return re.findall(r'^#include "([^"]+)"', path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SRC)))
def test_a_file_includes_its_own_floor_and_lower_ones(path):
    folder = path.relative_to(SRC).parts[0]
    for name in includes(path):
        if name in GENERATED:
            continue
        assert (SRC / name).exists(), f"{name} is not written from src/"
        assert name.split("/")[0] in MAY_INCLUDE[folder] | {folder}


def test_engines_do_not_know_each_other():
    engines = SRC / "server" / "engines"
    for path in sorted(engines.glob("*.c")):
        foreign = [name for name in includes(path) if name.startswith("server/engines/") and path.stem not in name]
        assert foreign == [], path.name


def test_the_echo_makes_no_system_call():
    allowed = {"assert.h", "stdbool.h", "stddef.h", "stdint.h"}
    for path in sorted((SRC / "echo").iterdir()):
        assert set(re.findall(r"^#include <([^>]+)>", path.read_text(), re.MULTILINE)) <= allowed


# The only signal handler, of process 1 (src/net/signals.h): it makes one call, which is safe anywhere.
HANDLER = """
static void end_process_1(int signal)
{
	_exit(128 + signal);
}
"""


def test_the_only_signal_handler_ends_process_1():
    """Other signals are read from a descriptor. Elsewhere sigaction only sets SIG_IGN and SIG_DFL."""
    for path in SOURCES:
        text = path.read_text()
        if path.name == "signals.c":
            assert HANDLER in text and text.count("end_process_1") == 2
            text = text.replace("end_process_1", "SIG_DFL")
        assert not re.search(r"\bsignal\s*\(\s*SIG", text), path.name
        assert not re.search(r"sa_sigaction|SA_SIGINFO", text), path.name
        assert set(re.findall(r"dispose\([^;]*?,\s*(\w+)\)", text)) <= {"how", "SIG_IGN", "SIG_DFL"} | {"void"}


def test_errno_becomes_an_action_below_the_engines():
    """No engine and no client reads errno: above net/, errors are negative codes only."""
    for folder in ("server", "client", "stats", "report", "cli", "echo"):
        for path in sorted((SRC / folder).rglob("*.c")):
            assert not re.search(r"\berrno\b(?!\.h)", path.read_text()), path.name


def test_names_of_test_files_are_unique():
    """pytest imports them as modules of one name space: a second file with the same name would stop every run."""
    names = [path.name for path in (SRC.parent / "tests").rglob("test_*.py")]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []
