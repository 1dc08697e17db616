# SPDX-License-Identifier: MIT
"""Every call that can fail, fails once: the short form of `./dev torture` (torture.py).

It covers all positions of the most important calls with the errors that lead to different results, and a sample of
the rest in every scenario.
"""
import random
import re
import subprocess

import pytest

from errnos import BY_ALIAS, UNFAILING, UNTRIED
from scenarios import WORKERS
from mutants import MUTANTS
from tools import why_no_pool
from torture import ROOT, SCENARIOS, obstacle, run

# Number of cases of every run of the fork engine, and of the others. They are chosen at random, but equally each
# time.
SAMPLE, SAMPLE_OF_WORKERS = 12, 5
SEED = 9877

# Lives, calls, errors: at every position, inside. The engine is fork if no other is named.
DECIDING = [
    ("serve", "accept", "ECONNABORTED EMFILE EBADF"),
    ("serve", "fork waitpid", "EAGAIN ENOMEM ECHILD EINTR EINVAL"),
    ("serve", "poll", "EINTR ENOMEM"),
    ("serve", "recv send", "EINTR ECONNRESET ENOMEM"),
    ("serve", "write", "EINTR ENOSPC"),
    ("serve", "prctl capset seccomp landlock_restrict_self", "EPERM EINVAL"),
    ("serve talk", "calloc strdup getaddrinfo socket", "ENOMEM EMFILE EAI_AGAIN EAI_NONAME"),
    ("stop", "kill poll waitpid", "EPERM EINTR"),
    ("talk", "connect poll recv send write", "EINTR ECONNRESET ENOMEM ENOSPC EPIPE"),
    ("serve-epoll", "epoll_ctl", "ENOMEM"),
    ("serve-uring", "uring_recv uring_send uring_poll", "ENOMEM"),
]

# Functions that a sanitizer adds to a program.
SANITIZERS = re.compile(r"^__(asan|ubsan|tsan|lsan|sanitizer)_")


@pytest.fixture
def pool_of_processes():
    if reason := why_no_pool():
        pytest.skip(reason)


def fail_of(verdicts):
    """Returns the complaints, for an assertion."""
    return {str(verdict.case): verdict.complaints for verdict in verdicts if verdict.complaints}


@pytest.mark.parametrize("programs, calls, errors", DECIDING)
@pytest.mark.usefixtures("pool_of_processes")
def test_calls_that_decide_fail_once_at_every_position(build, programs, calls, errors):
    def is_deciding(case):
        return BY_ALIAS[case.plan.alias].call in calls.split() and case.plan.error in errors.split()

    scenarios = [
        scenario for scenario in SCENARIOS if scenario.way == "inside" and str(scenario).split()[0] in programs.split()
    ]
    if reason := obstacle(scenarios[0], build):
        pytest.skip(reason)
    verdicts = run(build, lambda scenario, cases: filter(is_deciding, cases), chosen=scenarios)
    assert not fail_of(verdicts)
    assert sum(verdict.is_hit for verdict in verdicts) > len(verdicts) / 2


def sample(size):
    chance = random.Random(SEED)
    return lambda scenario, cases: chance.sample(cases, min(size, len(cases)))


def skip_obstacles(chosen, build, sanitized):
    """Returns the runs that are possible on this machine. Skips the test, with a reason, if none is possible."""
    reasons = {scenario: obstacle(scenario, build) for scenario in chosen}
    if sanitized:
        no_leak_check = "the leak check of the sanitizers does not work under strace"
        reasons |= {scenario: no_leak_check for scenario in chosen if scenario.way != "inside"}
    possible = [scenario for scenario in chosen if not reasons[scenario]]
    if not possible:
        pytest.skip(reasons[chosen[0]])
    return possible


@pytest.mark.usefixtures("pool_of_processes")
@pytest.mark.parametrize(
    "scenario", [s for s in SCENARIOS if s.engine == "fork"], ids=lambda s: f"{s.program}-{s.way}"
)
def test_a_sample_of_all_calls_fails_once(build, sanitized, scenario):
    chosen = skip_obstacles([scenario], build, sanitized)
    verdicts = run(build, sample(SAMPLE), chosen=chosen)
    assert not fail_of(verdicts)
    assert any(verdict.is_hit for verdict in verdicts)


@pytest.mark.usefixtures("pool_of_processes")
@pytest.mark.parametrize("engine", WORKERS)
@pytest.mark.parametrize("way", ["inside", "outside", "attached"])
def test_a_sample_of_all_calls_of_a_server_with_workers_fails_once(build, sanitized, engine, way):
    meant = [scenario for scenario in SCENARIOS if (scenario.engine, scenario.way) == (engine, way)]
    chosen = skip_obstacles(meant, build, sanitized)
    verdicts = run(build, sample(SAMPLE_OF_WORKERS), chosen=chosen)
    assert not fail_of(verdicts)
    assert any(verdict.is_hit for verdict in verdicts)


@pytest.mark.usefixtures("pool_of_processes")
def test_a_start_without_a_failed_worker_reaps_no_child(build):
    """The first waitpid() of the supervisor is in the drain, however many wake-ups the start had."""
    first = {}

    def note_first(scenario, cases):
        plans = [case.plan for case in cases if case.plan.process == 0]
        first[str(scenario)] = min(plan.nth for plan in plans if plan.alias == "waitpid")
        return []

    chosen = [s for s in SCENARIOS if (s.program, s.way) == ("stop", "inside") and s.engine in WORKERS]
    if reason := obstacle(chosen[0], build):
        pytest.skip(reason)
    run(build, note_first, chosen=chosen)
    assert first and set(first.values()) == {1}, first


def symbols(files, kind):
    text = subprocess.run(["nm", kind, *files], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1] for line in text.splitlines() if line.startswith(" ") or line[:1].isalnum()}


def test_every_broken_build_can_be_made():
    """`./dev torture --mutants` replaces a text in the sources, which must contain it once."""
    texts = {mutant.what: (ROOT / "src" / mutant.file).read_text().count(mutant.old) for mutant in MUTANTS}
    assert {what: count for what, count in texts.items() if count != 1} == {}


def test_every_call_of_the_program_is_in_the_table(build):
    """Every undefined symbol of the program is either made to fail, or has a reason why not."""
    libraries = sorted((build / "src").glob("lib*.a"))
    wanted = symbols(libraries, "--undefined-only") - symbols(libraries, "--defined-only")
    calls = {name for name in wanted if not name.endswith(":") and not SANITIZERS.match(name)}
    assert "accept4" in calls
    unknown = calls - set(BY_ALIAS) - UNFAILING - UNTRIED
    assert not unknown, "add rows to tests/fault/errnos.py"

    wrapped = symbols([build / "tests/fault/tcpecho-torture"], "--defined-only")
    unwrapped = {name for name in calls & (set(BY_ALIAS) - UNTRIED) if f"__wrap_{name}" not in wrapped}
    assert not unwrapped, "add them to tests/fault/torture.c and meson.build"
