# SPDX-License-Identifier: MIT
"""Checks a run: its complaints, an empty list if all is well."""
import itertools
import re
import signal
from collections import Counter
from typing import NamedTuple

from scenarios import CLIENTS, FIRST, LAST, MOST_DESCRIPTORS, NEXT, NO_CALL, RESETTING, STAYING, WORKERS
from rules import UNHARMED, Kind, expected, reason_of

# Pages that the parent touches for the first time while it serves.
RSS_SLACK_KIB = 1024

# More calls than a run has when it repeats a call, pauses, or closes descriptors one by one. A spinning loop makes
# as many in a few milliseconds.
SLACK_FACTOR, SLACK_CALLS = 3, 300 + MOST_DESCRIPTORS

ERROR = r"^tcpecho: (?!warning: )"
WARNING = r"^tcpecho: warning: "


class Complaints(list):
    def unless(self, condition, words):
        if not condition:
            self.append(words)


class Norm(NamedTuple):
    """Normal values of a run without a fault."""

    calls: int
    inherited: int


def norm_of(run):
    return Norm(len(run.calls), run.inherited)


def judge(program, way, plan, run, norm):
    """Returns the complaints about a run in which the call of the plan failed."""
    hit = run.hit
    # With a drain timeout of 0, the start of the drain is not visible: the outcome of either phase is accepted.
    phases = [run.phase_of(hit)] + (["draining"] if program == "stop" else [])
    wanted = [
        outcome
        for phase in phases
        for outcome in expected(program, run.engine, way.outside, hit.name, plan.error, hit.process > 0, phase, hit.detail)
    ]
    if not wanted:
        return [f"no rule says what is to happen (detail {hit.detail}, {phases})"]
    judge_outcome = {"serve": judge_serve, "stop": judge_stop, "user": judge_user, "talk": judge_talk}[program]
    found = [judge_common(run, norm) + judge_outcome(run, outcome, plan, hit) for outcome in wanted]
    return min(found, key=len)


def judge_faultless(program, run):
    """Returns the complaints about a run in which no call failed."""
    if program == "talk":
        return judge_talk(run, UNHARMED, None, None)
    judge_outcome = {"serve": judge_serve, "stop": judge_stop, "user": judge_user}[program]
    return judge_outcome(run, UNHARMED, None, NO_CALL)


def judge_common(run, norm):
    complaints = Complaints()
    complaints.unless(not run.hang, f"hangs, waiting for: {run.hang}")
    complaints.unless(not run.left_over, "a process is left over")
    complaints.unless("ssertion" not in run.log and "Sanitizer" not in run.log, "an assertion failed")
    complaints.unless(len(run.calls) <= SLACK_FACTOR * norm.calls + SLACK_CALLS, f"spins: {len(run.calls)} calls")
    complaints.unless(run.inherited <= norm.inherited, f"a child has {run.inherited} descriptors")
    return complaints


def says(run, pattern, words):
    """Returns whether the lines with the pattern are exactly the expected ones: one with these words, or none."""
    lines = run.lines(pattern)
    if not words:
        return not lines
    return len(lines) == 1 and re.fullmatch(rf"tcpecho: {words}( \(.*\))?", lines[0])


# ---- talk ----


def judge_talk(run, outcome, plan, hit):
    complaints = Complaints()
    complaints.unless(run.status == outcome.status, f"exit status {run.status}, not {outcome.status}")
    complaints.unless(says(run, ".", outcome.words), f"says {run.log!r}, not {outcome.words!r}")
    must_be_whole = run.status == 0 or outcome.kind in (Kind.UNHARMED, Kind.LATE)
    complaints.unless(run.output_is_input or not must_be_whole, "the output is not the input")
    return complaints


# ---- serve ----


def status_of_service(run, outcome):
    """Returns the expected exit status: 1 if a client could not finish after the shutdown request."""
    lines = run.log.partition("no new clients")[2].splitlines()
    is_cut_off = any(re.match(r"end .* reason=(drain|killed|error)\b", line) for line in lines)
    return 1 if outcome.status == 0 and is_cut_off else outcome.status


def judge_serve(run, outcome, plan, hit):
    complaints = Complaints()
    status = status_of_service(run, outcome)
    complaints.unless(run.status == status, f"exit status {run.status}, not {status}")
    complaints.unless(all(client.is_prefix for client in run.clients.values()), "a client got wrong bytes")
    if outcome.kind in (Kind.REFUSED, Kind.ENDS):
        judge_end(complaints, run, outcome)
    else:
        judge_service(complaints, run, outcome, plan, hit)
    return complaints


def judge_end(complaints, run, outcome):
    refused = outcome.kind == Kind.REFUSED
    complaints.unless(not (refused and run.announced), "it announced itself all the same")
    # An error that ends the service may have a first message that says where.
    lines = run.lines(ERROR)
    complaints.unless(len(lines) == 1 or (lines and not refused), f"{len(lines)} sentences: {run.log!r}")
    complaints.unless(
        any(re.fullmatch(rf"tcpecho: {outcome.words}( \(.*\))?", line) for line in lines),
        f"says {lines}, not {outcome.words!r}",
    )
    complaints.unless(all(client.end for client in run.clients.values()), "a client is left without an end")


def judge_service(complaints, run, outcome, plan, hit):
    """It served until its end: every client except the victims has every byte, and the log and the totals are
    right."""
    complaints.unless(run.announced, f"it did not start: {run.log!r}")
    if not run.announced:
        return
    complaints.unless(sorted(run.clients) == list(CLIENTS), "not all clients came")
    complaints.unless(len(set(run.descriptors)) == 1, f"descriptors: {run.descriptors}")
    complaints.unless(run.rss[-1] - run.rss[0] <= RSS_SLACK_KIB, f"memory: {run.rss} KiB")
    complaints.unless(not run.path_left or hit.name in ("lstat", "unlink", "open"), "its socket's path is left")

    judge_warnings(complaints, run, outcome, hit)
    is_noticed = outcome.kind == Kind.NOTICED
    complaints.unless(not is_noticed or run.lines(f"^{outcome.words}$"), f"no line says {outcome.words!r}")
    words = outcome.words if outcome.kind == Kind.LATE else ""
    is_worker = outcome.kind == Kind.WORKER
    said = says(run, ERROR, words) or (is_worker and says(run, ERROR, "cannot accept on .*"))
    complaints.unless(said, f"errors: {run.lines(ERROR)}")
    if set(run.clients) == set(CLIENTS):
        books = [Complaints() for _ in victims_of(run, outcome, hit)]
        for found, victims in zip(books, victims_of(run, outcome, hit)):
            judge_clients(found, run, victims)
            judge_books(found, run, outcome, plan, victims)
        complaints += min(books, key=len)


def judge_warnings(complaints, run, outcome, hit):
    is_warned = outcome.kind in (Kind.PAUSED, Kind.LESS, Kind.WORKER)
    said = says(run, WARNING, outcome.words if is_warned else "")
    complaints.unless(said, f"warnings: {run.lines(WARNING)}, not {outcome.words!r}")


def victims_of(run, outcome, hit):
    """Returns the clients that may have been harmed: several sets, because a worker may have had any of them."""
    if outcome.kind == Kind.CLIENT:
        return [{hit.process}] if run.engine == "fork" else [{number} for number in run.clients]
    if outcome.kind != Kind.WORKER:
        return [set()]
    lines = [re.search(outcome.words, line) for line in run.lines(WARNING)]
    counts = [int(match.group(1)) for match in lines if match]
    sizes = counts[:1] or range(len(run.clients) + 1)
    return [set(victims) for size in sizes for victims in itertools.combinations(run.clients, size)]


def judge_clients(complaints, run, victims):
    for number, client in run.clients.items():
        complaints.unless(
            client.is_whole or number in victims,
            f"client {number} got {len(client.received)} of {len(client.sent)} bytes, then {client.end}",
        )


def peer_of(run, number):
    """Returns the log's name of a client. All clients of the unix socket have the same name, or none."""
    return "unix" if number in (STAYING, LAST) else run.clients[number].name


def fields_of(line):
    return dict(re.findall(r"(\S+?)=(\S+)", line))


def end_of(line):
    """Returns (peer, reason) of a line."""
    fields = fields_of(line)
    peer = "unix" if fields["peer"].startswith("unix:") else fields["peer"]
    return peer, line.partition("reason=")[2]


def reasons_of(outcome, plan):
    """Returns the allowed reasons in a victim's line."""
    if outcome.kind == Kind.WORKER:
        return {f"error error={name}" for name in (plan.error, "ERR_NO_WATCHES", "EBADF")}
    return {outcome.words or reason_of(plan.error)}


def judge_books(complaints, run, outcome, plan, victims):
    """The lines of the ended clients and the totals agree with what the clients saw."""
    natural = {FIRST: "eof", STAYING: "eof", RESETTING: "reset", NEXT: "eof", LAST: "eof"}
    lines = run.lines("^end ")
    wanted = Counter((peer_of(run, number), natural[number]) for number in CLIENTS if number not in victims)
    rest = Counter(map(end_of, lines)) - wanted
    missing = wanted - Counter(map(end_of, lines))
    if victims:
        # The resetting client may have ended before.
        reasons = reasons_of(outcome, plan) | ({"reset"} if RESETTING in victims else set())
        peers = Counter(peer_of(run, number) for number in victims)
        complaints.unless(
            Counter(peer for peer, _ in rest.elements()) == peers and {reason for _, reason in rest} <= reasons,
            f"the victims' lines: {sorted(rest)}, not {sorted(peers)} for {sorted(reasons)}",
        )
        rest = Counter()

    totals = [fields_of(line) for line in run.lines("^totals ")]
    last = totals[-1] if totals else {}
    lost = sum(missing.values()) + (last.get("ended") != str(len(CLIENTS)))
    lost += 3 - len(run.lines("^listening on ")) + 1 - len(run.lines("no new clients"))
    # Events that several workers report at once are written in one call.
    may_be_lost = 0 if outcome.kind != Kind.LINE_LOST else len(CLIENTS) if run.engine in WORKERS else 1
    complaints.unless(lost <= may_be_lost, f"lines lost: {missing}\n{run.log}")
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
    if not victims:
        sent = sum(len(client.sent) for client in run.clients.values())
        complaints.unless(int(last["in"]) == int(last["out"]) == sent, f"clients sent {sent}, totals: {last}")


# ---- stop ----


def judge_stop(run, outcome, plan, hit):
    """Both clients have an end and the log agrees, although the server ended first."""
    complaints = Complaints()
    complaints.unless(all(client.is_prefix for client in run.clients.values()), "a client got wrong bytes")
    if outcome.kind == Kind.ENDS:
        complaints.unless(run.status in (outcome.status, -signal.SIGTERM), f"exit status {run.status}")
        judge_end(complaints, run, outcome)
        return complaints

    candidates = victims_of(run, outcome, hit)
    # If the staying client is a victim, no client may be left to kill. A child that waits longer may also end it.
    may_end_early = any(STAYING in victims for victims in candidates) or hit.name == "setsockopt"
    # Also if a worker had both clients, or was killed.
    may_end_early = may_end_early or outcome.kind == Kind.WORKER
    # Also if the server, on a busy machine, has given up the staying client before the second TERM comes.
    may_end_early = may_end_early or not run.lines("^killing ")
    statuses = [-signal.SIGTERM] + ([0, 1] if may_end_early else [])
    complaints.unless(run.status in statuses, f"exit status {run.status}, not {statuses}")
    judge_warnings(complaints, run, outcome, hit)
    is_worker = outcome.kind == Kind.WORKER
    said = says(run, ERROR, "") or (is_worker and says(run, ERROR, "cannot accept on .*"))
    complaints.unless(said, f"errors: {run.lines(ERROR)}")
    unwhole = {number for number, client in run.clients.items() if client.received != client.sent or not client.end}
    complaints.unless(any(unwhole <= victims for victims in candidates), f"clients {unwhole} are not whole")

    reasons = Counter(end_of(line)[1] for line in run.lines("^end "))
    lost = 2 - sum(reasons.values())
    complaints.unless(lost in ((0, 1, 2) if outcome.kind == Kind.LINE_LOST else (0,)), f"ends: {reasons}")
    known = {"drain", "killed signal=SIGKILL"} | (reasons_of(outcome, plan) if any(candidates) else set())
    complaints.unless(set(reasons) <= known, f"ends: {reasons}")
    totals = [fields_of(line) for line in run.lines("^totals ")][-1:]
    is_last = totals and totals[0]["accepted"] == totals[0]["ended"] == "2" and totals[0]["clients"] == "0"
    complaints.unless(is_last or outcome.kind == Kind.LINE_LOST, f"totals: {totals}")
    return complaints


# ---- user ----


def judge_user(run, outcome, plan, hit):
    """It serves with the ids of that user only, or does not serve."""
    complaints = Complaints()
    complaints.unless(run.status == outcome.status, f"exit status {run.status}, not {outcome.status}")
    if outcome.kind == Kind.REFUSED:
        judge_end(complaints, run, outcome)
        return complaints
    complaints.unless(all(client.is_whole for client in run.clients.values()), "the client was not served")
    root = [ids for ids in run.ids if "0" in ids.split()]
    complaints.unless(run.ids and not root, f"it serves as {run.ids}")
    return complaints
