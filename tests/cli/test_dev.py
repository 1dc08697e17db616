# SPDX-License-Identifier: MIT
"""./dev: its output, and that a question has no side effects. A copy runs beside stub commands that only log the
call."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from harness import TIMEOUT

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Commands that change something: stubs log that they were called.
ACTING = ("apt-get", "apt-cache", "meson", "ninja", "sudo", "rm", "git", "gcc", "buildah", "clang-format", "mkdir")

NO_PACKAGE = "#!/bin/sh\nexit 1\n"
VERBS = re.findall(r"^\t([a-z]+)\|.*\|", (ROOT / "dev").read_text(), re.MULTILINE)


def write_tool(path, text):
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def dev(tmp_path):
    """Runs the copy, as dev("clean", "--help"). .calls() are the calls of acting commands."""
    checkout, tools, calls = tmp_path / "checkout", tmp_path / "tools", tmp_path / "calls"
    checkout.mkdir()
    tools.mkdir()
    shutil.copy(ROOT / "dev", checkout)
    for name in ACTING:
        write_tool(tools / name, f'#!/bin/sh\necho {name} "$@" >>"{calls}"\n')

    def run(*words):
        environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
        return subprocess.run(["/bin/sh", checkout / "dev", *words], env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=TIMEOUT)

    run.checkout, run.tools = checkout, tools
    run.calls = lambda: calls.read_text().splitlines() if calls.exists() else []
    return run


def test_the_table_of_verbs_is_found():
    assert len(VERBS) >= 19 and {"run", "test", "clean", "lint"} < set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("words", [["--help"], ["-h"], ["something", "--help"]], ids=" ".join)
def test_a_verb_that_is_asked_for_help_does_nothing_else(dev, verb, words):
    (dev.checkout / "build").mkdir()
    done = dev(verb, *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: ./dev {verb}")
    assert (dev.calls(), os.listdir(dev.checkout / "build")) == ([], [])
    assert sorted(os.listdir(dev.checkout)) == ["build", "dev"]


@pytest.mark.parametrize("verb", ["run", "build", "install", "pages", "format", "lint", "clean", "package"])
def test_a_verb_refuses_a_word_that_it_does_not_know(dev, verb):
    done = dev(verb, "--tset")
    assert (done.returncode, done.stdout, dev.calls()) == (2, "", [])
    assert f"{verb} does not take --tset" in done.stderr and f"usage: ./dev {verb}" in done.stderr


def test_what_is_no_verb_is_refused(dev):
    for word in ("tset", ".", "r*n", "--version"):
        done = dev(word)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"no verb {word}\n" in done.stderr


def test_installing_is_quiet_and_one_line_names_the_packages(dev):
    write_tool(dev.tools / "dpkg-query", NO_PACKAGE)
    write_tool(dev.tools / "apt-get", "#!/bin/sh\necho much\necho more >&2\n")
    (dev.tools / "mkdir").unlink()
    write_tool(dev.tools / "sudo", '#!/bin/sh\nexec "$@"\n')
    write_tool(dev.tools / "git", "#!/bin/sh\n")
    write_tool(dev.tools / "clang-format", "#!/bin/sh\n")
    done = dev("format")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr == "dev: installing clang-format\n"


def test_without_root_and_sudo_a_line_names_what_is_missing(dev):
    write_tool(dev.tools / "dpkg-query", NO_PACKAGE)
    write_tool(dev.tools / "id", "#!/bin/sh\necho 1000\n")
    (dev.tools / "sudo").unlink()
    if shutil.which("sudo"):
        pytest.skip("sudo is installed, and PATH leads to it")
    done = dev("format")
    assert (done.returncode, dev.calls()) == (1, [])
    assert done.stderr == "dev: installing clang-format\ndev: this needs root or sudo\n"


def test_an_installation_that_fails_is_shown(dev):
    write_tool(dev.tools / "dpkg-query", NO_PACKAGE)
    write_tool(dev.tools / "apt-get", "#!/bin/sh\necho 'no space left'\nexit 100\n")
    (dev.tools / "mkdir").unlink()
    write_tool(dev.tools / "sudo", '#!/bin/sh\nexec "$@"\n')
    done = dev("format")
    assert done.returncode != 0 and done.stderr.endswith("no space left\n")


@pytest.fixture
def tests_of(dev):
    """Runs `./dev test`, as tests_of("unit"), where no package is installed. Returns the packages that it would
    install, and the arguments of tests/run.py."""
    write_tool(dev.tools / "dpkg-query", NO_PACKAGE)
    write_tool(dev.tools / "sudo", '#!/bin/sh\nexec "$@"\n')
    write_tool(dev.tools / "dpkg-deb", '#!/bin/sh\ntrue\n')
    for name in ("mkdir", "rm"):
        (dev.tools / name).unlink()
    (dev.checkout / "tests").mkdir()
    write_tool(dev.checkout / "tests" / "seccomp_probe.py", "#!/bin/sh\ntrue\n")
    (dev.checkout / "tests" / "run.py").write_text("import sys\nprint(*sys.argv[1:], sep='|')\n")

    def run(*words):
        done = dev("test", *words)
        assert done.returncode == 0, done.stderr
        installed = set()
        for call in dev.calls():
            if call.startswith("apt-get") and " install " in call:
                installed |= set(call.partition(" --no-install-recommends ")[2].split())
        return installed, done

    return run


# What takes long to install, and which part needs it.
LONG = {"chromium", "default-jre-headless", "spin", "python3-kubernetes", "telnet"}


def test_all_tests_need_all_packages(tests_of):
    installed, done = tests_of()
    assert LONG < installed and {"gcc", "libcmocka-dev", "strace"} < installed
    assert done.stdout == "build\n"


@pytest.mark.parametrize("part, folders, needed, unneeded", [
    ("unit", ["tests/unit", "tests/sim", "tests/fuzz"], {"libcmocka-dev"}, LONG | {"strace"}),
    ("server", ["tests/contract", "tests/examples"], {"strace", "nftables"}, LONG),
    ("client", ["tests/client", "tests/check"], {"strace", "nftables"}, LONG),
    ("report", ["tests/report"], {"chromium", "default-jre-headless"}, {"strace", "spin", "telnet"}),
])
def test_a_part_installs_and_runs_only_its_own_tests(tests_of, part, folders, needed, unneeded):
    installed, done = tests_of(part, "-x")
    assert done.stdout.strip().split("|") == ["build", *folders, "-x"]
    assert {"gcc", "python3-pytest", *needed} <= installed and not unneeded & installed
    assert all((ROOT / folder).is_dir() for folder in folders)


@pytest.mark.parametrize("words", [["-k", "wire"], ["-m", "alone"], ["tests/cli/test_dev.py"]], ids=" ".join)
def test_selected_tests_install_no_more_than_the_build_and_pytest_need(tests_of, words):
    installed, done = tests_of(*words)
    assert done.stdout.strip().split("|") == ["build", *words]
    assert {"gcc", "libcmocka-dev", "python3-pytest"} < installed and not (LONG | {"strace"}) & installed
    assert re.search(r"^dev: not installed, tests that need them are skipped .*: .*chromium", done.stderr, re.MULTILINE)


def test_a_build_without_cmocka_names_the_tests_that_it_leaves_out(tmp_path):
    meson = shutil.which("meson") or pytest.skip("needs meson")
    write_tool(tmp_path / "without", '#!/bin/sh\ncase "$*" in *cmocka*) exit 1 ;; esac\nexec pkg-config "$@"\n')
    environment = {**os.environ, "PKG_CONFIG": str(tmp_path / "without"), "CMAKE": "/bin/false"}
    done = subprocess.run([meson, "setup", tmp_path / "build", ROOT], env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stdout
    assert re.search(r"C tests *: left out: tests/unit and tests/fault need cmocka", done.stdout)


def test_clangd_finds_the_compile_commands():
    folder = re.search(r"^  CompilationDatabase: (.*)$", (ROOT / ".clangd").read_text(), re.MULTILINE).group(1)
    assert re.search(f"^build={folder}$", (ROOT / "dev").read_text(), re.MULTILINE)
