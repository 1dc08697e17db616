# SPDX-License-Identifier: MIT
"""Whether a life went as it should: its complaints, none when all is well."""
import re
import signal
from collections import Counter
from typing import NamedTuple

from lives import BYSTANDER, CLIENTS, FIRST, LAST, MOST_DESCRIPTORS, NEXT, NOBODY, RUDE
from rules import UNHARMED, Kind, expected, reason_of

# Pages that the parent touches for the first time while it serves.
RSS_SLACK_KIB = 1024

# More calls than a life has when a call is made again, a pause is kept, or descriptors are closed one
# by one. A loop that spins makes as many in a few milliseconds.
SLACK_FACTOR, SLACK_CALLS = 3, 300 + MOST_DESCRIPTORS

ERROR = r"^tcpecho: (?!warning: )"
WARNING = r"^tcpecho: warning: "


class Complaints(list):
    def unless(self, condition, words):
        if not condition:
            self.append(words)


class Norm(NamedTuple):
    """What a life without a fault is like."""

    calls: int
    inherited: int


def norm_of(life):
    return Norm(len(life.calls), life.inherited)


def judge(program, way, plan, life, norm):
    """The complaints about a life in which the call of the plan failed."""
    hit = life.hit
    # Without a time to drain nothing shows when that begins: what is right then is right before.
    phases = [life.phase_of(hit)] + (["draining"] if program == "stop" else [])
    wanted = [
        outcome
        for phase in phases
        for outcome in expected(program, way.outside, hit.name, plan.error, hit.who > 0, phase, hit.detail)
    ]
    if not wanted:
        return [f"no rule says what is to happen (detail {hit.detail}, {phases})"]
    judge_outcome = {"serve": judge_serve, "stop": judge_stop, "user": judge_user, "talk": judge_talk}[program]
    found = [judge_common(life, norm) + judge_outcome(life, outcome, plan, hit) for outcome in wanted]
    return min(found, key=len)


def judge_faultless(program, life):
    """The complaints about a life in which no call failed."""
    if program == "talk":
        return judge_talk(life, UNHARMED, None, None)
    judge_outcome = {"serve": judge_serve, "stop": judge_stop, "user": judge_user}[program]
    return judge_outcome(life, UNHARMED, None, NOBODY)


def judge_common(life, norm):
    complaints = Complaints()
    complaints.unless(not life.hang, f"hangs, waiting for: {life.hang}")
    complaints.unless(not life.left_over, "a process is left over")
    complaints.unless("ssertion" not in life.log and "Sanitizer" not in life.log, "an assertion failed")
    complaints.unless(len(life.calls) <= SLACK_FACTOR * norm.calls + SLACK_CALLS, f"spins: {len(life.calls)} calls")
    complaints.unless(life.inherited <= norm.inherited, f"a child has {life.inherited} descriptors")
    return complaints


def says(life, pattern, words):
    """Exactly these lines with the pattern: one, of the words; or none."""
    lines = life.lines(pattern)
    if not words:
        return not lines
    return len(lines) == 1 and re.fullmatch(rf"tcpecho: {words}( \(.*\))?", lines[0])


# ---- talk ----


def judge_talk(life, outcome, plan, hit):
    complaints = Complaints()
    complaints.unless(life.status == outcome.status, f"exit status {life.status}, not {outcome.status}")
    complaints.unless(says(life, ".", outcome.words), f"says {life.log!r}, not {outcome.words!r}")
    must_be_whole = life.status == 0 or outcome.kind in (Kind.UNHARMED, Kind.LATE)
    complaints.unless(life.output_is_input or not must_be_whole, "the output is not the input")
    return complaints


# ---- serve ----


def judge_serve(life, outcome, plan, hit):
    complaints = Complaints()
    complaints.unless(life.status == outcome.status, f"exit status {life.status}, not {outcome.status}")
    complaints.unless(all(client.is_prefix for client in life.clients.values()), "a client got wrong bytes")
    if outcome.kind in (Kind.REFUSED, Kind.ENDS):
        judge_end(complaints, life, outcome)
    else:
        judge_service(complaints, life, outcome, plan, hit)
    return complaints


def judge_end(complaints, life, outcome):
    refused = outcome.kind == Kind.REFUSED
    complaints.unless(not (refused and life.announced), "it announced itself all the same")
    # What ends the service may have a first sentence that says where.
    lines = life.lines(ERROR)
    complaints.unless(len(lines) == 1 or (lines and not refused), f"{len(lines)} sentences: {life.log!r}")
    complaints.unless(
        any(re.fullmatch(rf"tcpecho: {outcome.words}( \(.*\))?", line) for line in lines),
        f"says {lines}, not {outcome.words!r}",
    )
    complaints.unless(all(client.end for client in life.clients.values()), "a client is left without an end")


def judge_service(complaints, life, outcome, plan, hit):
    """It served to its end: everybody but a victim has every byte, and the books are right."""
    victim = hit.who if outcome.kind == Kind.CLIENT else None
    complaints.unless(life.announced, f"it did not start: {life.log!r}")
    if not life.announced:
        return
    complaints.unless(sorted(life.clients) == list(CLIENTS), "not all clients came")
    for number, client in life.clients.items():
        complaints.unless(
            client.is_whole or number == victim,
            f"client {number} got {len(client.received)} of {len(client.sent)} bytes, then {client.end}",
        )
    complaints.unless(len(set(life.descriptors)) == 1, f"descriptors: {life.descriptors}")
    complaints.unless(life.rss[-1] - life.rss[0] <= RSS_SLACK_KIB, f"memory: {life.rss} KiB")
    complaints.unless(not life.path_left or hit.name in ("lstat", "unlink", "open"), "its socket's path is left")

    is_warned = outcome.kind in (Kind.PAUSED, Kind.LESS)
    complaints.unless(says(life, WARNING, outcome.words if is_warned else ""), f"warnings: {life.lines(WARNING)}")
    is_noticed = outcome.kind == Kind.NOTICED
    complaints.unless(not is_noticed or life.lines(f"^{outcome.words}$"), f"no line says {outcome.words!r}")
    words = outcome.words if outcome.kind == Kind.LATE else ""
    complaints.unless(says(life, ERROR, words), f"errors: {life.lines(ERROR)}")
    judge_books(complaints, life, outcome, plan, victim)


def peer_of(life, number):
    """How the log calls a client. All those of the unix socket have one name, or none."""
    return "unix" if number in (BYSTANDER, LAST) else life.clients[number].name


def fields_of(line):
    return dict(re.findall(r"(\S+?)=(\S+)", line))


def end_of(line):
    """(peer, reason) of a line."""
    fields = fields_of(line)
    peer = "unix" if fields["peer"].startswith("unix:") else fields["peer"]
    return peer, line.partition("reason=")[2]


def judge_books(complaints, life, outcome, plan, victim):
    """The lines of those who ended, and the totals, agree with what the clients saw."""
    if set(life.clients) != set(CLIENTS):
        return
    natural = {FIRST: "eof", BYSTANDER: "eof", RUDE: "reset", NEXT: "eof", LAST: "eof"}
    lines = life.lines("^end ")
    wanted = Counter((peer_of(life, number), natural[number]) for number in CLIENTS if number != victim)
    rest = Counter(map(end_of, lines)) - wanted
    missing = wanted - Counter(map(end_of, lines))
    if victim:
        # The rude one may have been first.
        reasons = {outcome.words or reason_of(plan.error)} | ({"reset"} if victim == RUDE else set())
        complaints.unless(
            len(rest) == 1 and set(rest) <= {(peer_of(life, victim), reason) for reason in reasons},
            f"the victim's line: {sorted(rest)}, not {sorted(reasons)}",
        )
        rest = Counter()

    totals = [fields_of(line) for line in life.lines("^totals ")]
    last = totals[-1] if totals else {}
    lost = sum(missing.values()) + (last.get("ended") != str(len(CLIENTS)))
    lost += 3 - len(life.lines("^listening on ")) + 1 - len(life.lines("no new clients"))
    complaints.unless(lost <= (outcome.kind == Kind.LINE_LOST), f"lines lost: {missing}\n{life.log}")
    complaints.unless(not rest, f"lines too many: {rest}")
    if last.get("ended") != str(len(CLIENTS)):
        return

    complaints.unless(
        [last[name] for name in ("clients", "accepted", "killed", "turned_away")] == ["0", str(len(CLIENTS)), "0", "0"],
        f"totals: {last}",
    )
    if not missing:
        for name in ("in", "out"):
            total = sum(int(fields_of(line)[name]) for line in lines)
            complaints.unless(total == int(last[name]), f"{name}: {total} in the lines, {last[name]} in the totals")
    if not victim:
        sent = sum(len(client.sent) for client in life.clients.values())
        complaints.unless(int(last["in"]) == int(last["out"]) == sent, f"clients sent {sent}, totals: {last}")


# ---- stop ----


def judge_stop(life, outcome, plan, hit):
    """Both clients have an end, and the books say so, though it was the server who ended first."""
    complaints = Complaints()
    complaints.unless(all(client.is_prefix for client in life.clients.values()), "a client got wrong bytes")
    if outcome.kind == Kind.ENDS:
        complaints.unless(life.status in (outcome.status, -signal.SIGTERM), f"exit status {life.status}")
        judge_end(complaints, life, outcome)
        return complaints

    victim = hit.who if outcome.kind == Kind.CLIENT else None
    # Without the stubborn one there may be nobody left to kill; or he is, for a child that waits longer.
    statuses = [-signal.SIGTERM] + ([1] if victim == BYSTANDER or hit.name == "setsockopt" else [])
    complaints.unless(life.status in statuses, f"exit status {life.status}, not {statuses}")
    is_warned = outcome.kind in (Kind.PAUSED, Kind.LESS)
    complaints.unless(says(life, WARNING, outcome.words if is_warned else ""), f"warnings: {life.lines(WARNING)}")
    complaints.unless(says(life, ERROR, ""), f"errors: {life.lines(ERROR)}")
    for number, client in life.clients.items():
        whole = client.received == client.sent and client.end
        complaints.unless(whole or number == victim, f"client {number}: {client.received}, then {client.end!r}")

    reasons = Counter(end_of(line)[1] for line in life.lines("^end "))
    lost = 2 - sum(reasons.values())
    complaints.unless(lost in (0, outcome.kind == Kind.LINE_LOST), f"ends: {reasons}")
    known = {"drain", "killed signal=SIGKILL"} | ({outcome.words or reason_of(plan.error)} if victim else set())
    complaints.unless(set(reasons) <= known, f"ends: {reasons}")
    totals = [fields_of(line) for line in life.lines("^totals ")][-1]
    is_last = totals["accepted"] == totals["ended"] == "2" and totals["clients"] == "0"
    complaints.unless(is_last or outcome.kind == Kind.LINE_LOST, f"totals: {totals}")
    return complaints


# ---- user ----


def judge_user(life, outcome, plan, hit):
    """It serves as nobody but that user, or not at all."""
    complaints = Complaints()
    complaints.unless(life.status == outcome.status, f"exit status {life.status}, not {outcome.status}")
    if outcome.kind == Kind.REFUSED:
        judge_end(complaints, life, outcome)
        return complaints
    complaints.unless(all(client.is_whole for client in life.clients.values()), "the client was not served")
    root = [ids for ids in life.ids if "0" in ids.split()]
    complaints.unless(life.ids and not root, f"it serves as {life.ids}")
    return complaints
