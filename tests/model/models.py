# SPDX-License-Identifier: MIT
"""The models of this folder: how each is searched, and which mistakes it must find. docs/MODELS.md explains them."""
import dataclasses
import pathlib

from spin import ASSERTIONS, CYCLES, LIVENESS, SAFETY

FOLDER = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Check:
    """One search of a model, which must find no error."""

    what: str
    mode: str
    bounds: tuple = ()  # bounds that grow with the length of the run: (name, at length 0, increment per length)
    fixed: tuple = ()  # further definitions

    def definitions(self, length):
        return [f"-D{name}={first + more * length}" for name, first, more in self.bounds] + list(self.fixed)


@dataclasses.dataclass(frozen=True)
class Mistake:
    """A switch of a model. With it, this search must find an error, and exactly this one."""

    switch: str
    what: str
    mode: str
    error: str
    fixed: tuple = ()

    def definitions(self):
        return [f"-D{self.switch}", *self.fixed]


@dataclasses.dataclass(frozen=True)
class Model:
    name: str
    promise: str
    checks: tuple
    mistakes: tuple
    bounds: tuple = ()  # names of the bounds and choices of a check, which are no mistakes

    @property
    def path(self):
        return FOLDER / f"{self.name}.pml"


STUCK, ROUND, UNFULFILLED = "invalid end state", "non-progress cycle", "acceptance cycle"

ACCEPT = Model(
    "accept",
    "no zombie, count, descriptor or client left behind; never more than the limit",
    (
        Check("all orders", SAFETY, (("CLIENTS", 3, 1),)),
        Check("no busy loop", CYCLES, (("CLIENTS", 2, 1),)),
    ),
    (
        Mistake("ONE_WAIT", "one wait for each SIGCHLD", SAFETY, "child_of[c]!="),
        Mistake("COUNT_AFTER_FORK", "the client is entered after the fork", SAFETY, "reported[c]"),
        Mistake("REAP_IN_HANDLER", "a signal handler reaps, between any two instructions", SAFETY, "started[c]"),
        Mistake("CHECK_THEN_PAUSE", "the last child ends between the check and the sleep", SAFETY, STUCK),
        Mistake("FORK_FAILURE_LOSES_SOCKET", "fork fails, and the socket is forgotten", SAFETY, "fds=="),
        Mistake("FORK_FAILURE_KEEPS_COUNT", "fork fails, and the client stays counted", SAFETY, STUCK),
        Mistake("PARENT_KEEPS_SOCKET", "the parent does not close its copy", SAFETY, "fds=="),
        Mistake("LIMIT_IGNORED", "accepts while the table is full", SAFETY, "count<="),
        Mistake("POLL_WHILE_FULL", "polls the listening socket while it will not accept", CYCLES, ROUND),
        Mistake("ACCEPT_BEFORE_QUEUE", "a new connection is served before queued ones", SAFETY, "next["),
        Mistake("NO_PAUSE", "fork fails, and it accepts on", SAFETY, "next["),
        Mistake("PAUSE_WITHOUT_DEADLINE", "a pause that only a client's end can end", SAFETY, STUCK),
    ),
    ("CLIENTS", "SHORTAGES"),
)

ECHO = Model(
    "echo",
    "no deadlock; every byte comes back once and in order; both FINs; no reset",
    (
        Check("all orders, all sizes", SAFETY, (("SIZE", 1, 1), ("BYTES", 4, 3))),
        Check("it always ends", CYCLES, (("SIZE", 1, 1), ("BYTES", 4, 3))),
        Check("the bounds of the deadlock", ASSERTIONS, (("SIZE", 1, 1), ("BYTES", 4, 3)), ("-DLAW",)),
    ),
    (
        Mistake("WRITE_ALL_FIRST", "the client writes all before it reads", SAFETY, STUCK),
        Mistake("NO_HALF_CLOSE", "the client closes at the end of its input", SAFETY, "returned==bytes"),
        Mistake("NO_FIN", "the client only stops sending", SAFETY, STUCK),
        Mistake("SHORT_WRITE_IGNORED", "what a short write left over is forgotten", SAFETY, "returned==bytes"),
        Mistake("SERVER_CLOSES_EARLY", "the server closes as soon as it receives the FIN", SAFETY, "returned==bytes"),
        Mistake("CLOSE_WITH_UNREAD", "the server ends it without reading on", SAFETY, "(reset)||timed_out"),
        Mistake("LEAVE_AFTER_FIN", "the child leaves before the last byte is delivered", SAFETY, "stopped&&abandoned"),
        Mistake("FEWER_JAM", "the bound: a deadlock needs one byte more", ASSERTIONS, "bytes>", ("-DLAW",)),
        Mistake("MORE_PASS", "the bound: one byte less is a deadlock already", ASSERTIONS, "bytes+1", ("-DLAW",)),
    ),
    ("SIZE", "BYTES", "LAW"),
)

DRAIN = Model(
    "drain",
    "queued connections are served, accepted ones are not lost, and the server ends when asked to",
    (
        Check("all orders", ASSERTIONS, (("CLIENTS", 2, 1),)),
        Check("ends with time", LIVENESS, (("CLIENTS", 1, 1),)),
        Check("ends with a second signal", LIVENESS, (("CLIENTS", 1, 1),), ("-DWORLD=WILD",)),
        Check("ends with its clients", LIVENESS, (("CLIENTS", 1, 1),), ("-DWORLD=TAME",)),
    ),
    (
        Mistake("CLOSE_AT_ONCE", "closes the listening socket, then drains", ASSERTIONS, "where[c]=="),
        Mistake("NEVER_CLOSE", "drains, and never closes the listening socket", ASSERTIONS, "where[c]=="),
        Mistake("NOT_STOPPED", "does not stop new connections before it closes an empty queue", ASSERTIONS, "phase=="),
        Mistake("NOT_SETTLED", "closes an empty queue before handshakes have had their time", ASSERTIONS, "phase=="),
        Mistake("WAIT_QUEUE_FORGOTTEN", "ends while a connection is in the wait queue", ASSERTIONS, "where[c]=="),
        Mistake("ABORT_AT_ONCE", "aborts the children before the drain timeout", ASSERTIONS, "phase!="),
        Mistake("PIPE_NOT_CLOSED", "the drain timeout does not close the shutdown pipe", LIVENESS, UNFULFILLED),
        Mistake("NO_KILLING", "waits for ever for a child that hangs", LIVENESS, UNFULFILLED),
        Mistake("SECOND_SIGNAL_IGNORED", "a second signal changes nothing", LIVENESS, UNFULFILLED, ("-DWORLD=WILD",)),
    ),
    ("CLIENTS", "WORLD"),
)

MODELS = (ACCEPT, ECHO, DRAIN)
