# SPDX-License-Identifier: MIT
"""The network misbehaves in every possible way, and both ends report it correctly.

The conversations of these tests run in parallel, each between its own two hosts; a test waits for its own.
"""
import concurrent.futures
import multiprocessing
import os

import pytest

import conversation
import hosts
from box import DOWN, UP, Impairment
from hosts import Host
from judge import IDENTICAL, KILLED, NOT_IN_TIME, PROHIBITED, REJECTED
from plans import FOREVER, TINY, Plan, Trouble, of_seed
from tools import why_no_pool

# Most of a conversation is waiting. With pytest-xdist, one process starts all conversations.
pytestmark = [pytest.mark.xdist_group("net"), pytest.mark.background]

AT_ONCE = 6 * os.cpu_count()

TINY_BUFFERS = Host(sysctls={"tcp_rmem": TINY})
TINY_SEGMENTS = Host(advmss=88)
SOON_GIVES_UP = Host(sysctls={"tcp_retries2": 1})


@pytest.fixture(scope="session")
def outcome_of(request, program):
    """Starts the conversations of all selected tests, and returns the outcome of one."""
    reason = hosts.why_impossible() or why_no_pool()
    if reason:
        pytest.skip(reason)
    chosen = [item.callspec.params["plan"] for item in request.session.items
              if "outcome_of" in getattr(item, "fixturenames", ())]
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(AT_ONCE, context) as pool:
        runs = {plan.name: pool.submit(conversation.run, plan, program) for plan in chosen}
        yield lambda plan: well(runs[plan.name].result())


def well(outcome):
    """Asserts that an outcome has no complaint against either end."""
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert not outcome.problems, f"{outcome.problems}\n{outcome.said}\n{outcome.log}"
    return outcome


def cases(*rows):
    """(plan, values...) as parameters, with the names of the plans."""
    return [pytest.param(*row, id=row[0].name) for row in rows]


# The last column: what the box must have done, or the case would prove nothing.
@pytest.mark.parametrize(
    "plan, done",
    cases(
        (Plan("loss", size=100_000, impairment=Impairment(loss=0.05, delay=0.005)), "lost"),
        (Plan("reordering", size=200_000, impairment=Impairment(reordering=0.1, delay=0.005, hold=0.01)), "reordered"),
        (Plan("duplication", size=200_000, impairment=Impairment(duplication=0.1)), "duplicated"),
        (Plan("delay", lines=5, pause=0.05, impairment=Impairment(delay=0.05, jitter=0.02)), "segments"),
        (Plan("all of it", family=6, size=100_000, impairment=Impairment(0.03, 0.02, 0.05, 0.02, 0.005)), "lost"),
        (Plan("zero windows", size=300_000, reader_pause=1.0, client=TINY_BUFFERS, server=TINY_BUFFERS),
         "zero windows"),
        (Plan("SYN lost", trouble=Trouble("SYN", UP, count=1)), "SYN dropped"),
        (Plan("SYN-ACK lost", trouble=Trouble("SYN", DOWN, count=1)), "SYN dropped"),
        (Plan("client's FINs lost", trouble=Trouble("FIN", UP, count=2)), "FIN dropped"),
        (Plan("server's FINs lost", trouble=Trouble("FIN", DOWN, count=2)), "FIN dropped"),
    ),
)  # fmt: skip
def test_what_passes_changes_no_byte(outcome_of, plan, done):
    outcome = outcome_of(plan)
    assert (outcome.cause, outcome.reason) == (IDENTICAL, "eof")
    assert outcome.counts[done] > 0


@pytest.mark.parametrize("plan", cases((Plan("tiny segments", client=TINY_SEGMENTS, server=TINY_SEGMENTS),)))
def test_tiny_segments_change_no_byte(outcome_of, plan):
    outcome = outcome_of(plan)
    assert outcome.cause == IDENTICAL
    assert outcome.counts["largest"] <= 88


@pytest.mark.parametrize(
    "plan", cases((Plan("flipped bits", size=300_000, impairment=Impairment(corruption=0.05)),))
)
def test_flipped_bits_are_found_by_the_checksum(outcome_of, plan):
    outcome = outcome_of(plan)
    assert outcome.cause == IDENTICAL
    assert outcome.counts["corrupted"] > 0
    assert outcome.checksum_errors > 0


@pytest.mark.parametrize("plan", cases((Plan("forged byte", trouble=Trouble("forge", DOWN, 20_000)),)))
def test_a_byte_changed_under_a_right_checksum_is_found_by_talk(outcome_of, plan):
    """The judge has checked the offset and the bytes that talk reports."""
    assert outcome_of(plan).cause == "byte differs"


@pytest.mark.parametrize(
    "plan, cause, reason",
    cases(
        (Plan("never a SYN-ACK", timeout=0.5, trouble=Trouble("SYN", DOWN, count=FOREVER)),
         NOT_IN_TIME, "no connection"),
        (Plan("never a FIN", size=100, timeout=0.5, trouble=Trouble("FIN", DOWN, count=FOREVER)),
         "server did not end", "eof"),
        (Plan("server vanishes", client=SOON_GIVES_UP, trouble=Trouble("vanish", UP, 20_000)),
         "connection timed out", "drain"),
        (Plan("server vanishes, --timeout", timeout=0.5, trouble=Trouble("vanish", DOWN, 20_000)), "no reply", "drain"),
        (Plan("behind a quota", client=SOON_GIVES_UP, trouble=Trouble("quota", UP, 20_000)),
         "connection timed out", "drain"),
        (Plan("client vanishes", timeout=0.5, idle_timeout=20.0, server=SOON_GIVES_UP,
              trouble=Trouble("vanish", DOWN, 20_000)), "no reply", "timeout"),
        (Plan("client vanishes, --idle-timeout", timeout=0.5, idle_timeout=0.5,
              trouble=Trouble("vanish", UP, 20_000)), "no reply", "idle"),
        (Plan("server's host reboots", lines=5, pause=0.2, trouble=Trouble("server reboots", UP, 20_000)),
         "server reset the connection", "killed"),
        (Plan("client's host reboots", idle_timeout=20.0, trouble=Trouble("client reboots", DOWN, 20_000)),
         KILLED, "reset"),
        (Plan("reset on the way", trouble=Trouble("cut", DOWN, 20_000)), "server reset the connection", "reset"),
        (Plan("client too slow", lines=2, pause=2.0, idle_timeout=0.3, trouble=Trouble("idle")),
         "server ended early", "idle"),
    ),
)  # fmt: skip
def test_what_cuts_a_conversation_is_named_by_both_ends(outcome_of, plan, cause, reason):
    outcome = outcome_of(plan)
    assert (outcome.cause, outcome.reason) == (cause, reason)


@pytest.mark.parametrize(
    "plan",
    cases(*(
        (Plan(f"{rule}, IPv{family}", family=family, trouble=Trouble("reject", rule=rule)),)
        for rule in (*REJECTED, PROHIBITED)
        for family in (4, 6)
    )),
)
def test_a_rejected_connection_is_status_3_and_the_reason(outcome_of, plan):
    """The judge knows which reason."""
    assert outcome_of(plan).reason == "no connection"


@pytest.mark.parametrize("plan", cases(*((of_seed(seed),) for seed in range(1, 11))))
def test_seed(outcome_of, plan):
    outcome_of(plan)
