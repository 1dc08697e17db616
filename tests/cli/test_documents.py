# SPDX-License-Identifier: MIT
"""The files that `meson install` installs: program, man pages, completions. Each is tested with its own tool."""
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from terminal import open_terminal

REPORTS = ["show", "merge", "diff", "html"]
ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(build, tmp_path_factory):
    """The prefix of an installation."""
    root = tmp_path_factory.mktemp("install")
    subprocess.run(
        ["meson", "install", "-C", build, "--no-rebuild", "--quiet"],
        env={**os.environ, "DESTDIR": str(root)},
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )
    return root / "usr" / "local"


def need(tool):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")


def run(*command, **more):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, **more)


def options_of(program, command):
    """Returns the long options in --help."""
    text = run(program, *command.split(), "--help").stdout
    return set(re.findall(r"^  (?:-\w, |    )(--[a-z][a-z0-9-]*)", text, re.MULTILINE))


def test_every_file_is_at_its_place(installed):
    files = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    assert files == {
        "bin/tcpecho",
        "lib/systemd/system/tcpecho.service",
        "lib/systemd/system/tcpecho-activated.service",
        "lib/systemd/system/tcpecho-activated.socket",
        "share/man/man1/tcpecho.1",
        "share/man/man1/tcpecho-serve.1",
        "share/man/man1/tcpecho-talk.1",
        "share/man/man1/tcpecho-ping.1",
        "share/man/man1/tcpecho-check.1",
        "share/man/man1/tcpecho-hold.1",
        "share/man/man1/tcpecho-bench.1",
        "share/man/man1/tcpecho-report.1",
        "share/man/man1/tcpecho-report-show.1",
        "share/man/man1/tcpecho-report-merge.1",
        "share/man/man1/tcpecho-report-diff.1",
        "share/man/man1/tcpecho-report-html.1",
        *[f"share/tcpecho/profiles/{path.name}" for path in (ROOT / "profiles").iterdir()],
        "share/bash-completion/completions/tcpecho",
        "share/zsh/site-functions/_tcpecho",
        "share/fish/vendor_completions.d/tcpecho.fish",
        "lib/systemd/system/tcpecho.service",
        "lib/systemd/system/tcpecho-activated.service",
        "lib/systemd/system/tcpecho-activated.socket",
    }
    assert run(installed / "bin" / "tcpecho", "--version").stdout.startswith("tcpecho ")


def test_the_program_depends_on_libc_alone(program, sanitized):
    if sanitized:
        pytest.skip("a sanitizer links its own libraries")
    need("ldd")
    libraries = {line.split()[0] for line in run("ldd", program).stdout.splitlines()}
    assert {name for name in libraries if not name.startswith(("linux-vdso", "/lib"))} == {"libc.so.6"}


COMMANDS = ["serve", "talk", "ping", "hold", "bench", "report", *(f"report {name}" for name in REPORTS)]
PAGES = ["tcpecho", *(f"tcpecho-{command.replace(' ', '-')}" for command in COMMANDS)]


@pytest.mark.parametrize("page", PAGES)
def test_a_man_page_is_clean(installed, page):
    need("mandoc")
    folder = installed / "share" / "man" / "man1"
    found = run("mandoc", "-T", "lint", folder / f"{page}.1").stdout.splitlines()
    # It searches for our other pages where the system has its pages; this test checks that they exist.
    missing = re.compile(r"referenced manual not found: Xr (tcpecho\S*) 1")
    for line in found:
        match = missing.search(line)
        assert match and (folder / f"{match.group(1)}.1").exists(), line


@pytest.mark.parametrize("command", COMMANDS)
def test_a_man_page_explains_every_option(program, installed, command):
    need("mandoc")
    text = run("mandoc", "-T", "ascii", installed / "share/man/man1" / f"tcpecho-{command.replace(' ', '-')}.1").stdout
    text = re.sub(".\b", "", text)
    for option in options_of(program, command):
        assert option in text
    help_text = run(program, *command.split(), "--help").stdout
    for status in re.findall(r"^  (\d)  ", help_text.split("exit status:")[1], re.MULTILINE):
        assert re.search(rf"^     {status} ", text, re.MULTILINE)


# ---- completions: what each shell offers ----

BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_tcpecho; printf '%s\\n' "${COMPREPLY[@]}"
"""

# zsh completes in an interactive shell only: the test runs one on a terminal and asks it for a list.
ZSH = r"""
zmodload zsh/zpty
zpty shell 'zsh -f -i'
zpty -w shell "fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; PROMPT=; unsetopt zle_bracketed_paste"
zpty -w shell "zstyle ':completion:*' list-colors ''; LISTMAX=0; setopt no_list_ambiguous auto_list; stty columns 300; print READ''Y"
zpty -r shell output '*READY*'
zpty -w -n shell "tcpecho $2"$'\t\t'
sleep "$3"
zpty -w -n shell $'\003'
zpty -w shell 'print DON''E'
zpty -r shell output '*DONE*'
print -r -- "$output"
"""


class Bash:
    def __init__(self, prefix):
        need("bash")
        self.script = prefix / "share/bash-completion/completions/tcpecho"

    def complete(self, *words):
        return run("bash", "-c", BASH, "bash", self.script, "tcpecho", *words).stdout


class Fish:
    def __init__(self, prefix):
        need("fish")
        self.script = prefix / "share/fish/vendor_completions.d/tcpecho.fish"

    def complete(self, *words):
        line = " ".join(["tcpecho", *words])
        return run("fish", "--no-config", "-c", f"source {self.script}; complete -C '{line}'").stdout


class Zsh:
    def __init__(self, prefix):
        need("zsh")
        for fd in open_terminal():
            os.close(fd)
        self.folder = prefix / "share/zsh/site-functions"

    def complete(self, *words):
        for seconds in (1, 5, 20):  # a list takes a moment, and longer on a busy machine
            command = ["zsh", "-f", "-c", ZSH, "zsh", self.folder, " ".join(words), seconds]
            screen = run(*command, stdin=subprocess.DEVNULL).stdout
            offered = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", " ", screen)
            if offered.strip():
                break
        return offered


@pytest.fixture(params=[Bash, Zsh, Fish], ids=["bash", "zsh", "fish"])
def shell(request, installed):
    return request.param(installed)


def test_a_shell_completes_the_commands(shell):
    offered = shell.complete("")
    for command in ("serve", "talk", "help"):
        assert re.search(rf"\b{command}\b", offered), offered


@pytest.mark.parametrize("command", ["serve", "talk", "hold", "report merge", "report diff"])
def test_a_shell_completes_every_option(program, shell, command):
    offered = shell.complete(*command.split(), "--")
    for option in options_of(program, command):
        assert option in offered


def test_a_shell_completes_the_words_of_a_choice(shell):
    offered = shell.complete("serve", "--log", "")
    assert "text" in offered and "json" in offered


def test_a_shell_completes_what_can_be_reported(shell):
    offered = shell.complete("report", "")
    for name in REPORTS:
        assert re.search(rf"\b{name}\b", offered), offered


def test_a_shell_completes_files_of_a_report(installed, tmp_path, monkeypatch):
    (tmp_path / "result-of-mine.json").touch()
    monkeypatch.chdir(tmp_path)
    for kind in (Bash, Fish):
        assert "result-of-mine.json" in kind(installed).complete("report", "show", "result-")


# ---- the documents ----

DOCUMENTS = sorted(path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")))


def anchors_of(text):
    """Returns the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_has_a_target(path):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", path.read_text()):
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), f"{target} does not exist"
        if anchor and file.suffix == ".md":
            assert anchor in anchors_of(file.read_text()), f"{target} has no heading #{anchor}"


def test_a_link_to_a_line_names_what_stands_there():
    page = ROOT / "docs" / "UNP5.md"
    links = re.findall(r"\[`([^`]+)`\]\(([^)#]+)#L(\d+)\)", page.read_text())
    assert links
    for words, target, number in links:
        line = (page.parent / target).read_text().splitlines()[int(number) - 1]
        assert words in line, f"line {number} of {target} is {line!r}"


# The sources of the names that documents use.
SOURCES = {path: path.read_text(errors="replace") for folder in ("src", "tests", "bench", "examples")
           for path in (ROOT / folder).rglob("*") if path.suffix in (".c", ".h", ".py", ".pml", ".css", ".js")}


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.parent.name != "records"],
                         ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_and_function_that_a_document_names_exists(path):
    """A renamed file or function keeps its old name in no document. Records are as old as their figures."""
    files = [f"/{file.relative_to(ROOT)}" for file in SOURCES]
    for word in re.findall(r"`([^`\n]+)`", path.read_text()):
        if re.fullmatch(r"[\w/-]+\.(?:c|h|py|pml|css|js)", word) and "NAME" not in word:
            assert any(file.endswith(f"/{word}") for file in files), f"no file is called {word}"
        if function := re.fullmatch(r"(\w+_\w+)\(\)", word):
            assert any(re.search(rf"\b{function[1]}\(", text) for text in SOURCES.values()), f"no function is called {word}"


# ---- pages that are made from figures ----


def test_every_fuzz_target_is_recorded_with_ten_million_executions():
    spec = importlib.util.spec_from_file_location("fuzz_run", ROOT / "tests/fuzz/run.py")
    fuzz = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzz)
    rows = {fuzz.target_of(row): row for row in json.loads(fuzz.FIGURES.read_text())["rows"]}
    assert set(rows) == set(fuzz.TARGETS)
    for name, row in rows.items():
        executions = re.search(r"([\d,]+) executions", row["evidence"])[1]
        assert int(executions.replace(",", "")) >= 10_000_000, name
        assert row["result"] == "no finding"


def test_the_page_of_reliability_agrees_with_the_figures():
    page = pathlib.Path(__file__).parents[2] / "bench" / "reliability.py"
    assert run(sys.executable, page, "--check").returncode == 0


def test_decisions_are_numbered_without_a_gap():
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
