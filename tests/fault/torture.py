#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every call that can fail, fails once, as in curl's torture tests.

A scenario of `serve` or `talk` is run and its calls are counted. Then it is run again for every call and every error
that its manual page allows (errnos.py), with only that call failing. The result is compared with the expected one
(rules.py, torture_judge.py).
"""
import argparse
import contextlib
import datetime
import json
import multiprocessing
import os
import pathlib
import platform
import random
import shutil
import sys
import tempfile
from collections import Counter
from fnmatch import fnmatch
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/lib"))

import scenarios  # noqa: E402
import mutants  # noqa: E402
from errnos import BY_ALIAS, ONLY_WHERE_TRUE, UNFAILING, is_possible  # noqa: E402
from harness import Server, children_of, kill_tree  # noqa: E402
from torture_judge import judge, judge_faultless, norm_of  # noqa: E402
from scenarios import Attached, Inside, Outside, Plan, start_of_service  # noqa: E402

AT_A_TIME = 2


class Scenario(NamedTuple):
    """A scenario that is run again and again. engine: the server's engine, `fork` where it does not matter."""

    program: str
    way: str
    engine: str = "fork"

    def __str__(self):
        program = self.program if self.engine == "fork" else f"{self.program}-{self.engine}"
        return f"{program} {self.way}"


SCENARIOS = [
    Scenario("serve", "inside"),
    Scenario("stop", "inside"),
    Scenario("user", "inside"),
    Scenario("talk", "inside"),
    Scenario("serve", "outside"),
    Scenario("stop", "outside"),
    Scenario("serve", "attached"),
    Scenario("talk", "outside"),
    *(
        Scenario(program, way, engine)
        for engine in scenarios.WORKERS
        for program in ("serve", "stop")
        for way in ("inside", "outside", "attached")
    ),
]


# Calls that only a server with --user makes.
BECOMING = set(
    "getpwnam getpwuid getgrouplist reallocarray setgroups setresgid setresuid getresuid getresgid capget".split()
)


def obstacle(scenario, build):
    """Returns why this machine cannot make such a run, or ""."""
    if scenario.program == "user" and os.geteuid() != 0:
        return "only root can become another user"
    if scenario.way != "inside" and not shutil.which("strace"):
        return "strace is not installed"
    if scenario.way == "attached" and not scenarios.can_attach():
        return "strace -p is not allowed here"
    return scenarios.unusable(str(build / "tcpecho"), scenario.engine)


class Case(NamedTuple):
    """A triple (call, error, n), and the scenario in which it is tried."""

    scenario: Scenario
    plan: Plan

    def __str__(self):
        return f"{self.scenario} {self.plan.process} {self.plan.alias} {self.plan.nth} {self.plan.error}"


class Verdict(NamedTuple):
    case: Case
    is_hit: bool
    complaints: list


class Torture:
    """Data shared by all cases. echo_port: a server without faults, for talk."""

    def __init__(self, build, echo_port):
        self.ways = {
            "inside": Inside(str(build / "tests/fault/tcpecho-torture")),
            "outside": Outside(str(build / "tcpecho")),
            "attached": Attached(str(build / "tcpecho")),
        }
        self.echo_port = echo_port
        self.norms = {}  # Scenario -> its Norm

    def run_once(self, scenario, plan, directory):
        way = self.ways[scenario.way]
        if scenario.program == "talk":
            return scenarios.talk(way, plan, directory, self.echo_port)
        program = {"serve": scenarios.serve, "stop": scenarios.stop, "user": scenarios.user}[scenario.program]
        return program(way, plan, directory, scenario.engine)

    def faultless(self, scenario):
        """Returns the calls and the norm of a scenario without a fault."""
        with tempfile.TemporaryDirectory() as directory:
            seen = self.run_once(scenario, None, pathlib.Path(directory))
        complaints = judge_faultless(scenario.program, seen)
        assert not complaints, f"{scenario} fails without a fault: {complaints}"
        unknown = {call.alias for call in seen.calls if call.alias not in BY_ALIAS} - UNFAILING
        assert not unknown, f"{scenario} makes calls that are in no table: {sorted(unknown)} (add rows to errnos.py)"
        return seen.calls, norm_of(seen)

    def cases_of(self, scenario, calls, norm):
        """Returns every case that follows from a scenario without a fault."""
        self.norms[scenario] = norm
        if scenario.program == "stop" and scenario.way != "attached":
            calls = calls[start_of_service(calls) :]
        if scenario.program == "user":
            calls = [call for call in calls if call.name in BECOMING]
        return [
            Case(scenario, Plan(call.process, call.alias, call.nth, error))
            for call in calls
            if call.alias in BY_ALIAS
            for error in BY_ALIAS[call.alias].errors
            if not (scenario.way != "inside" and is_only_where_true(call.name, error))
            and can_fail(scenario, call, error)
        ]

    def attempt(self, case):
        with tempfile.TemporaryDirectory() as directory:
            seen = self.run_once(case.scenario, case.plan, pathlib.Path(directory))
        if seen.hit is None or not can_fail(case.scenario, seen.hit, case.plan.error):
            # Another run of a scenario may have fewer calls, or have them in another order.
            return Verdict(case, False, [seen.hang] if seen.hang else [])
        way = self.ways[case.scenario.way]
        return Verdict(case, True, judge(case.scenario.program, way, case.plan, seen, self.norms[case.scenario]))


def can_fail(scenario, call, error):
    """Returns whether the kernel may return this error for this call."""
    return is_possible(call.name, call.alias, error, call.detail, scenario.engine, call.process > 0)


def is_only_where_true(call, error):
    return (call, error) in ONLY_WHERE_TRUE or (call, "*") in ONLY_WHERE_TRUE


@contextlib.contextmanager
def prepared(build):
    """Makes a Torture with its echo server."""
    with tempfile.TemporaryDirectory() as directory:
        server = Server(
            str(build / "tcpecho"), directory, ["--quiet", "127.0.0.1:0"], preexec=scenarios.end_with_us
        )
        try:
            yield Torture(build, server.port)
        finally:
            server.kill()


# The workers inherit it, so it is not sent between processes.
torture = None


def faultless(scenario):
    return torture.faultless(scenario)


def attempt(case):
    return torture.attempt(case)


@contextlib.contextmanager
def workers():
    """Processes that make one run after the other. They adopt what a run leaves behind.

    An error or ^C ends a worker within a run. What that run had started then becomes ours, and is killed.
    """
    scenarios.adopt_orphans()
    before = set(children_of(os.getpid()))
    try:
        with multiprocessing.get_context("fork").Pool(AT_A_TIME, scenarios.become_worker) as pool:
            yield pool
    finally:
        for pid in set(children_of(os.getpid())) - before:
            kill_tree(pid)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def run(build, choose, report=lambda verdict: None, chosen=SCENARIOS):
    """Attempts the cases that choose(scenario, cases) picks for every run. Returns the verdicts.

    report(verdict): called for each as it comes.
    """
    global torture
    verdicts = []
    chosen = [scenario for scenario in chosen if not obstacle(scenario, build)]
    with prepared(build) as torture:
        with workers() as pool:
            counted = pool.map(faultless, chosen, chunksize=1)
        cases = [case for scenario, seen in zip(chosen, counted) for case in choose(scenario, torture.cases_of(scenario, *seen))]
        with workers() as pool:
            for verdict in pool.imap_unordered(attempt, cases, chunksize=4):
                verdicts.append(verdict)
                report(verdict)
    return verdicts


# ---- the command ----


def is_meant(name, words):
    """Returns whether the name of a case begins with these words, which may be fnmatch(3) patterns."""
    return words is None or fnmatch(name, words) or fnmatch(name, f"{words} *")


def lives_of(words):
    """Returns the runs in which such cases are possible."""
    return [scenario for scenario in SCENARIOS if words is None or is_meant(str(scenario), " ".join(words.split()[:2]))]


def report_failure(verdict):
    if verdict.complaints:
        print(f"FAILED {verdict.case}:", *verdict.complaints, sep="\n    ", flush=True)


def print_summary(verdicts):
    tried = [verdict for verdict in verdicts if verdict.is_hit]
    for scenario in SCENARIOS:
        calls = Counter(BY_ALIAS[v.case.plan.alias].call for v in tried if v.case.scenario == scenario)
        if calls:
            print(f"{scenario}: {sum(calls.values())}:", ", ".join(f"{call} {n}" for call, n in sorted(calls.items())))
    failed = sum(bool(verdict.complaints) for verdict in verdicts)
    missed = len(verdicts) - len(tried)
    print(f"{len(tried)} triples (call, error, n) tried, {missed} not reached again, {failed} failed")
    return failed


def count(verdicts, ways):
    chosen = [v for v in verdicts if v.is_hit and v.case.scenario.way in ways]
    failed = sum(bool(v.complaints) for v in chosen)
    names = {BY_ALIAS[v.case.plan.alias].call for v in chosen}
    return f"{len(chosen)} triples of {len(names)} calls, {failed} failed"


def record(verdicts, mutants):
    found, of = mutants
    rows = [
        {
            "promise": "each system call that can fail fails once with each errno in its manual page",
            "evidence": "in the process, calls wrapped by the linker",
            "result": count(verdicts, ["inside"]),
        },
        {
            "promise": "the same for the installed program",
            "evidence": "from outside, strace's injection",
            "result": count(verdicts, ["outside", "attached"]),
        },
        {
            "promise": "a build in which the handling of one errno is broken fails a test",
            "evidence": "./dev torture --mutants",
            "result": f"{found} of {of} found",
        },
    ]
    figures = {
        "name": "torture",
        "command": "./dev torture --record",
        "date": datetime.date.today().isoformat(),
        "machine": f"Linux {'.'.join(platform.release().split('.')[:2])}, {os.cpu_count()} cores",
        "rows": rows,
    }
    path = ROOT / "docs/records/figures/torture.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(figures, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(prog="./dev torture", description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--shallow", type=int, metavar="N", help="only N cases of each scenario, by chance")
    parser.add_argument("--seed", type=int, default=0, help="of that chance")
    parser.add_argument("--only", metavar="WORDS", help="cases that begin so: 'serve inside 0 accept4 * EMFILE'")
    parser.add_argument("--mutants", action="store_true", help="break the handling of one error at a time instead")
    parser.add_argument("--record", action="store_true", help="both, and write docs/records/figures/torture.json")
    options = parser.parse_args()
    if options.mutants:
        found, of = mutants.find_all(ROOT)
        sys.exit(found != of)
    chance = random.Random(options.seed)

    def choose(scenario, cases):
        cases = [case for case in cases if is_meant(str(case), options.only)]
        return chance.sample(cases, min(options.shallow, len(cases))) if options.shallow else cases

    verdicts = run(options.build.resolve(), choose, report_failure, lives_of(options.only))
    if options.record:
        record(verdicts, mutants.find_all(ROOT))
    failed = print_summary(verdicts)
    sys.exit(1 if failed or not verdicts else 0)


if __name__ == "__main__":
    main()
