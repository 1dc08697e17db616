# SPDX-License-Identifier: MIT
"""Compares both ends' accounts of every connection as they come.

The clients' claims and the server's records arrive in any order. Each pair is compared and forgotten, so that the
ledger is only as large as the number of open connections.

A claim is a line of JSON: {"n": 12, "kind": "small talk", "outcome": "whole", "sent": 120, "received": 120, "why":
""}. The outcomes:

  whole  every byte came back, and the end of the stream
  cut    a FIN or RST of the server came first: right only if we killed the process that served it
  left   the client itself ended early, and expected no more bytes
  wrong  a byte was different or too many, or no reply came: never right

A client with a number has the address 127.1.0.0 + number, so that its record at the server is unique. Clients
without a number (n is null) share 127.0.0.1: their sums are compared in the end.

Any engine's process can be killed: a child, which has one client, or a worker, which has several. Before the kill,
troubles.py reads which clients the process has. Only these may be cut off, and a supervisor must log their number.
A process may be killed when it has just accepted a client that is not in any table yet: at most one per killed
process, and that client has received nothing.
"""
import collections
import ipaddress
import json
import re
import threading

from harness import TIMEOUT

SHARED_ADDRESS = "127.0.0.1"
FIRST_ADDRESS = int(ipaddress.IPv4Address("127.1.0.0"))
ADDRESSES = 254 << 16

# Number of failures that are printed. The first ends the run, and the others mostly follow from it.
FAILURES_TOLD = 10


DEATH = re.compile(r"worker (\d+) (failed: .*|was killed by \w+), and with it (\d+) clients?")


def address_of(number):
    """The source address of a client."""
    return str(ipaddress.IPv4Address(FIRST_ADDRESS + number % ADDRESSES))


def host_of(peer):
    """Returns '127.1.2.3' for '127.1.2.3:4567'."""
    return peer.rpartition(":")[0]


class Ledger:
    """has_workers: the server has a supervisor, which logs each worker that was killed."""

    def __init__(self, has_workers=False):
        self.has_workers = has_workers
        self.lock = threading.Condition()
        self.failures = []
        self.has_failed = threading.Event()
        self.claims, self.records = {}, {}  # by address, until the other half comes
        self.killed = set()  # addresses of clients whose process we killed
        self.n_kills, self.untold = 0, set()  # processes that we killed; the killed workers that are not logged yet
        self.n_unclaimed = 0  # clients that are logged as killed, and not yet assigned to a process
        self.n_unnoticed = 0  # clients that were not in any table yet when their process was killed
        self.outcomes, self.kinds, self.events = (collections.Counter() for _ in range(3))
        self.sent = self.received = 0  # sums of the clients' claims
        self.shared_claims, self.shared_records = [0, 0, 0], [0, 0, 0]  # 127.0.0.1: count, in, out
        self.sums = collections.Counter()  # sums of the server's records
        self.totals = None  # the last totals of the server
        self.n_totals = 0

    def fail(self, text):
        with self.lock:
            self.failures.append(text)
        self.has_failed.set()

    def kill(self, pid, addresses):
        """Records that a process that serves these clients will be killed."""
        with self.lock:
            self.n_kills += 1
            self.killed |= addresses
            if self.has_workers:
                self.untold.add(pid)

    # ---- claims of the clients ----

    def read_claims(self, file):
        """Reads the claims until the end of the file."""
        for line in file:
            self.claim(json.loads(line))

    def claim(self, claim):
        with self.lock:
            self.outcomes[claim["outcome"]] += 1
            self.kinds[claim["kind"]] += 1
            self.sent += claim["sent"]
            self.received += claim["received"]
            if claim["outcome"] == "wrong":
                self.fail(f"a client says: {claim}")
            if claim["n"] is None:
                add(self.shared_claims, 1, claim["sent"], claim["received"])
                if claim["outcome"] == "cut":
                    self.fail(f"a client says: {claim}")
                return
            address = address_of(claim["n"])
            if address in self.records:
                self.compare(claim, self.records.pop(address))
            elif address in self.claims:
                self.fail(f"two clients are number {claim['n']}")
            else:
                self.claims[address] = claim

    # ---- records of the server ----

    def read_log(self, file):
        """Reads the log until the end of the file."""
        for line in file:
            event = json.loads(line)
            self.record_event(event.pop("event"), event)

    def record_event(self, name, event):
        with self.lock:
            self.events[name] += 1
            if name == "end":
                self.record(event)
            elif name == "totals":
                self.check_totals(event)
            elif name == "dropped":
                self.fail(f"{event['lines']} lines of the log were dropped: we read it too slowly")
            elif name == "error":
                self.fail(f"the server says: {event['message']}")
            elif name == "warning" and (match := DEATH.match(event["message"])):
                self.hear_of_death(int(match.group(1)), match.group(2), int(match.group(3)))

    def hear_of_death(self, pid, how, n_clients):
        """The records of the worker's clients come before this line."""
        if pid not in self.untold:
            self.fail(f"worker {pid} was not to be killed, but it {how}")
        if n_clients != self.n_unclaimed:
            self.fail(f"{self.n_unclaimed} clients are logged as killed, worker {pid} had {n_clients}")
        self.untold.discard(pid)
        self.n_unclaimed = 0

    def record(self, record):
        self.sums["ended"] += 1
        if record["reason"] == "killed":
            self.sums["killed"] += 1
            self.n_unclaimed += 1
        self.sums["in"] += record["in"]
        self.sums["out"] += record["out"]
        address = host_of(record["peer"])
        if address == SHARED_ADDRESS:
            add(self.shared_records, 1, record["in"], record["out"])
        elif address in self.claims:
            self.compare(self.claims.pop(address), record)
        elif address in self.records:
            self.fail(f"two records of one client: {self.records[address]} and {record}")
        else:
            self.records[address] = record

    def check_totals(self, totals):
        """The totals are logged before or after a record, never within one: so they are exact at any time."""
        for name in ("ended", "killed"):
            if totals[name] != self.sums[name]:
                self.fail(f"{self.sums[name]} clients {name}, but the server says {totals}")
        for name in ("in", "out"):
            if totals[name] < self.sums[name] or (totals["clients"] == 0 and totals[name] > self.sums[name]):
                self.fail(f"{self.sums[name]} bytes {name}, but the server says {totals}")
        if totals["accepted"] < totals["ended"] + totals["clients"] or totals["turned_away"]:
            self.fail(f"it does not add up: {totals}")
        self.totals = totals
        self.n_totals += 1
        self.lock.notify_all()

    def ask_totals(self, ask):
        """Calls ask() and returns the totals that follow."""
        with self.lock:
            before = self.n_totals
            ask()
            assert self.lock.wait_for(lambda: self.n_totals > before, TIMEOUT), "the server tells no totals"
            return self.totals

    # ---- both ----

    def compare(self, claim, record):
        complaint = disagreement(claim, record, host_of(record["peer"]) in self.killed)
        self.killed.discard(host_of(record["peer"]))
        if complaint:
            self.fail(f"{complaint}: the client says {claim}, the server {record}")

    def close(self):
        """Call it when every client has gone: no claim and no record may be left."""
        with self.lock:
            self.forgive_unnoticed()
            if self.claims or self.records:
                left = [*self.claims.values(), *self.records.values()]
                self.fail(f"only one end knows of {len(left)} clients, as {left[0]}")
            if self.shared_claims != self.shared_records:
                says = f"they say {self.shared_claims}, the server {self.shared_records}"
                self.fail(f"clients of {SHARED_ADDRESS}: {says}")
            if self.untold:
                self.fail(f"the server has not noticed that we killed {sorted(self.untold)}")
            if self.n_unclaimed > (0 if self.has_workers else self.n_kills):
                self.fail(f"{self.n_unclaimed} clients are logged as killed, and we killed {self.n_kills} processes")
            self.compare_accepted()

    def forgive_unnoticed(self):
        """Forgives clients that were accepted and not yet in the table when their process was killed."""
        for address, claim in list(self.claims.items()):
            had_nothing = claim["outcome"] in ("cut", "left") and claim["received"] == 0
            is_hit = address in self.killed or claim["outcome"] == "left"
            if had_nothing and is_hit and self.n_unnoticed < self.n_kills:
                self.n_unnoticed += 1
                del self.claims[address]

    def compare_accepted(self):
        """The server may have counted clients that it did not add to the table."""
        if self.totals is None:
            return
        most = sum(self.outcomes.values())
        if not most - self.n_unnoticed <= self.totals["accepted"] <= most:
            self.fail(f"{most} clients connected, but the server says {self.totals}")


def add(sums, *values):
    for place, value in enumerate(values):
        sums[place] += value


def disagreement(claim, record, was_killed):
    """Returns the difference between the two accounts of one connection, or None."""
    sent, received, into, out = claim["sent"], claim["received"], record["in"], record["out"]
    reason, outcome = record["reason"], claim["outcome"]
    if outcome == "wrong":
        return None  # this was reported already, and other differences may follow from it
    if not out <= into <= sent:
        return "more went out than came in"
    if reason == "killed":
        # The server may not have counted its last bytes although the client has received them. A client that
        # already has the FIN may have no connection any more, so the test could not list it as killed.
        return None if was_killed or outcome != "cut" else "it was not to be killed"
    if received > out:
        return "more was received than went out"
    if outcome == "cut":
        return "the server broke it off"
    if outcome == "left":
        return None if reason in ("eof", "reset") else "the client only left"
    if reason != "eof":
        return "it was whole"
    return None if sent == received == into == out else "the counts differ"
