# SPDX-License-Identifier: MIT
"""Checks that both ends reported a conversation correctly.

talk may report that all came back only if it did, to the byte, and the server's FIN with it. It must report that
whenever nothing cut the connection for good. Otherwise it must name the cause, with correct numbers and the right
status. The server must have one record for each connection, with the correct reason and counts, and leave nothing
behind.
"""
import dataclasses
import re

from box import DOWN, UP
from faulty_servers import NO_HALF_CLOSE

IDENTICAL = "identical"
SILENCE = {"no reply", "server did not end"}
NOT_IN_TIME = "cannot connect: connection timed out"
CUT_OFF = {"drain", "killed"}  # the server's reasons for a client that it stops waiting for
KILLED = "killed by its host's reboot"

CAME_BACK = re.compile(
    r"tcpecho: (?P<why>.+): (?P<back>\d+) of (?P<taken>\d+) bytes came back"
    rf"(?:{re.escape(NO_HALF_CLOSE)}|, before the end of input)?\n"
)
DIFFERS = re.compile(r"tcpecho: byte (?P<at>\d+) differs: sent 0x(?P<sent>..), got 0x(?P<got>..)\n")
NOT_CONNECTED = re.compile(r"tcpecho: cannot connect to \S+ port \d+: (?P<why>[^(]+?)(?: \(.+\))?\n")

# What talk may report for each trouble, and what the server may log.
MAY_SAY = {
    "none": ({IDENTICAL}, {"eof"}),
    "vanish": (SILENCE | {"connection timed out"}, {"timeout", "idle"}),
    "one way": (SILENCE | {"connection timed out"}, {"timeout", "idle"}),
    "quota": (SILENCE | {"connection timed out"}, {"timeout", "idle"}),
    "cut": ({"server reset the connection"}, {"reset"}),
    "forge": ({"byte differs"}, {"reset", "eof"}),
    "server reboots": ({"server reset the connection", IDENTICAL}, {"killed"}),  # all bytes may have come back before
    "client reboots": ({KILLED}, {"reset", "timeout", "idle"}),
    "SYN": ({NOT_IN_TIME}, {"no connection"}),
    "FIN": ({"connection timed out"}, {"timeout", "idle"}),
    "reject": (set(), {"no connection"}),  # the rule decides, see below
    "idle": ({IDENTICAL, "server ended early"}, {"idle", "eof"}),
}

# What rejects a connection, in the words of nft(8), and talk's message. icmpx is ICMP or ICMPv6.
REJECTED = {
    "tcp reset": "cannot connect: connection refused",
    "icmpx port-unreachable": "cannot connect: connection refused",
    "icmpx host-unreachable": "cannot connect: no route to host",
    "icmpx no-route": "cannot connect: network is unreachable",
}

# ICMPv6 has a code for this one; the kernel maps ICMP's to another error.
PROHIBITED = "icmpx admin-prohibited"
SAID_IF_PROHIBITED = {4: "cannot connect: no route to host", 6: "cannot connect: a firewall on the path forbids it"}


@dataclasses.dataclass
class Outcome:
    """The result of a plan."""

    plan: object
    cause: str = ""  # IDENTICAL, or talk's message in a few words
    reason: str = ""  # the server's reason, or "no connection"
    problems: list = dataclasses.field(default_factory=list)  # errors; empty: all is well
    skipped: str = ""  # why it could not be tried
    counts: dict = dataclasses.field(default_factory=dict)  # the box's counts
    checksum_errors: int = 0  # segments that a kernel discarded
    said: str = ""
    log: str = ""
    seconds: float = 0.0


def judge(plan, seen, outcome):
    """Fills in cause, reason and problems of an outcome."""
    outcome.cause = cause_of(seen)
    outcome.reason = seen.ends[0]["reason"] if seen.ends else "no connection"
    outcome.problems += [
        *problems_of_talk(plan, seen, outcome.cause),
        *problems_of_server(plan, seen, outcome),
    ]


def cause_of(seen):
    """Returns talk's message in a few words."""
    if seen.status == 0:
        return IDENTICAL
    if seen.status == -9:
        return KILLED
    if match := NOT_CONNECTED.fullmatch(seen.error):
        return f"cannot connect: {match['why']}"
    if DIFFERS.fullmatch(seen.error):
        return "byte differs"
    if match := CAME_BACK.fullmatch(seen.error):
        return re.sub(r" (for|within) [\d.]+m?s$", "", match["why"])
    return f"status {seen.status}: {seen.error!r}"


def problems_of_talk(plan, seen, cause):
    allowed = causes_allowed(plan, seen)
    if cause not in allowed:
        yield f"talk said {cause!r}, of {sorted(allowed)}"
    if seen.status == 0:
        yield from problems_of_success(seen)
    elif seen.status > 0 and seen.status != (3 if cause.startswith("cannot connect") else 1):
        yield f"status {seen.status} for {cause!r}"
    if match := CAME_BACK.fullmatch(seen.error):
        back, taken = int(match["back"]), int(match["taken"])
        if not back == len(seen.output) <= taken <= len(seen.data):
            yield f"{back} of {taken} bytes came back: {len(seen.output)} of {len(seen.data)} did"
    if match := DIFFERS.fullmatch(seen.error):
        at = int(match["at"])
        reported = bytes.fromhex(match["sent"] + match["got"])
        if at != plan.trouble.at or reported != seen.data[at : at + 1] + seen.output[at : at + 1]:
            yield f"the byte was {plan.trouble.at}"
    elif seen.output != seen.data[: len(seen.output)]:
        yield "the output differs from the input, and neither end reported it"


def problems_of_success(seen):
    if seen.output != seen.data:
        yield f"status 0, but {len(seen.output)} of {len(seen.data)} bytes came out, or others"
    if seen.error:
        yield f"status 0, but it said {seen.error!r}"
    if seen.box.delivered[DOWN] < len(seen.data) or not seen.box.end_delivered[DOWN]:
        yield "status 0 before the server's FIN had come"


def problems_of_server(plan, seen, outcome):
    totals, ends = seen.totals, seen.ends
    allowed = reasons_allowed(plan, seen, outcome.cause)
    if outcome.reason not in allowed:
        yield f"the server said {outcome.reason!r}, of {sorted(allowed)}"
    if not len(ends) == totals["accepted"] == totals["ended"] <= 1 or totals["clients"] != 0:
        yield f"{len(ends)} records: {totals}"
    if totals["killed"] != (outcome.reason == "killed"):
        yield f"killed: {totals['killed']}"
    for name in ("in", "out"):
        if sum(int(end[name]) for end in ends) != totals[name]:
            yield f"the totals do not add up: {totals}"
    if not totals["out"] <= totals["in"] <= min(seen.box.delivered[UP], len(seen.data)):
        yield f"{totals}: {seen.box.delivered[UP]} bytes had come"
    if outcome.reason != "killed" and len(seen.output) > totals["out"]:
        yield f"{totals}: {len(seen.output)} bytes came back"
    if outcome.cause == IDENTICAL and not totals["in"] == totals["out"] == len(seen.data):
        yield f"{totals}: {len(seen.data)} bytes were sent"
    if outcome.reason == "eof" and totals["in"] != totals["out"]:
        yield f"{totals}: eof, and not every byte was echoed"
    if seen.server_status != (1 if seen.end_requested and outcome.reason in CUT_OFF else 0):
        yield f"the server ended with status {seen.server_status}, reason {outcome.reason}"
    if seen.left_behind:
        yield f"left behind: {seen.left_behind}"


def kind_of(plan, seen):
    """Returns the trouble that took place: a temporary one, or one that never came, must not matter in the end."""
    return plan.trouble.kind if plan.trouble.lasts and seen.box.has_interfered() else "none"


def is_short(limit):
    """Returns whether chance, or a busy machine, may let this time limit end before the trouble comes."""
    return 0 < limit < 10


def causes_allowed(plan, seen):
    kind = kind_of(plan, seen)
    allowed = set(MAY_SAY[kind][0])
    if kind == "reject":
        allowed.add(REJECTED.get(plan.trouble.rule) or SAID_IF_PROHIBITED[plan.family])
    if kind == "FIN" and plan.idle_timeout:
        allowed.add(IDENTICAL)  # the server has ended it, and perhaps only its FIN was lost
    if is_short(plan.timeout):
        allowed |= SILENCE | {NOT_IN_TIME}
    if is_short(plan.idle_timeout):
        allowed.add("server ended early")
    if "tcp_retries2" in plan.client.sysctls:  # with so few retries the kernel may lose it by chance
        allowed.add("connection timed out")
    if "tcp_retries2" in plan.server.sysctls:  # and then it has no such connection any more
        allowed.add("server reset the connection")
    return allowed


def reasons_allowed(plan, seen, cause):
    if cause == NOT_IN_TIME:
        return {"no connection"}
    allowed = set(MAY_SAY[kind_of(plan, seen)][1])
    if cause in SILENCE:  # talk closed it then, and perhaps its FIN or RST arrived
        allowed |= {"eof", "reset"}
    if is_short(plan.idle_timeout):
        allowed.add("idle")
    if "tcp_retries2" in plan.server.sysctls:
        allowed.add("timeout")
    if plan.trouble.lasts and seen.end_requested:
        allowed |= CUT_OFF
    if plan.trouble.lasts and not seen.output:  # perhaps the end of the handshake was lost as well
        allowed.add("no connection")
    return allowed
