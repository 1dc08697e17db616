# SPDX-License-Identifier: MIT
"""The faults of `serve --fault`, and the checks that each of them turns red (FAIL) or yellow (WARN).

A row names exactly these checks: every other check that the row runs is green (PASS or SKIP).
"""
from typing import NamedTuple

# Quick and normal checks that end within a few seconds. half-close-late and zero-window wait for longer.
ALL = (
    "echo backend silence first-byte sizes trickle half-close fin-only fin-with-data ends-with-fin urgent port-reuse "
    "addresses options mptcp fastopen self small-writes lock-step terminated pipeline tail cross-talk slow-reader mtu "
    "source-ports isolation connect abort scan"
)

# Checks that take milliseconds: for a path that is slow, and for the engines beside epoll.
SHORT = (
    "echo backend trickle fin-only fin-with-data ends-with-fin urgent port-reuse addresses options mptcp fastopen self "
    "small-writes"
)
SLOW = "first-byte idle idle-keepalive hold"

# Checks that send more than 8 KiB on a connection, and those that send more than 100 KiB.
ABOVE_8K = "sizes half-close lock-step pipeline tail cross-talk slow-reader mtu"
ABOVE_100K = "sizes half-close pipeline tail slow-reader"

# Short checks that send more than 80 bytes on a connection.
ABOVE_80 = "echo trickle fin-with-data ends-with-fin small-writes"

# Checks that need an echo.
ECHO = (
    "echo backend first-byte sizes trickle half-close fin-with-data ends-with-fin urgent port-reuse addresses mptcp "
    "fastopen small-writes lock-step terminated pipeline tail cross-talk slow-reader mtu source-ports isolation abort "
    "scan"
)

SHORT_ECHO = " ".join(name for name in SHORT.split() if name in ECHO.split())


class Row(NamedTuple):
    fault: str  # what follows --fault; "": a faithful server
    red: str = ""
    yellow: str = ""
    checks: str = ALL
    timeout: str = "3s"  # short where many checks wait for it
    idle: str = "2s"  # of the slow checks


ROWS = [
    Row(""),
    # Segments of every size are legal, a slow path as well.
    Row("chunk=1", checks=SHORT),
    Row("delay=2ms~1ms", checks=SHORT + " terminated"),
    Row("throttle=1M/s", checks=SHORT + " half-close"),
    Row("slow-read=1M/s", checks=SHORT + " half-close"),
    Row("delay=200ms", yellow="terminated", checks="echo backend fin-with-data terminated"),
    Row("corrupt@4096=0x01", red=ABOVE_8K),
    Row("drop@8k=100", red=ABOVE_8K, timeout="1s"),
    Row("duplicate@8k=100", red=ABOVE_8K),
    # Which connections are neighbours depends on the order of all connections: one check by itself.
    Row("swap@8k=100", red="cross-talk", checks="cross-talk"),
    Row("truncate@100k", red=ABOVE_100K),
    Row("rst@100k", red=ABOVE_100K),
    Row("stall@100k", red=ABOVE_100K, timeout="1s"),
    Row("half-close@100k", red=ABOVE_100K),
    Row("rst@accept", red=ECHO, yellow="silence fin-only"),
    Row("rst@eof", yellow="half-close fin-only fin-with-data ends-with-fin tail"),
    Row("no-half-close", red="half-close fin-with-data urgent tail"),
    Row("no-fin", red="half-close fin-only fin-with-data ends-with-fin tail", timeout="1s"),
    Row("silent", red=ECHO, timeout="1s"),
    Row("banner=220 ready\\r\\n", red=ECHO + " silence fin-only"),
    Row("no-accept=2s", yellow="first-byte", checks="first-byte echo backend", timeout="9s"),
    Row("limit=8", red="limit", checks="limit"),
    Row("limit=100", red="storm", checks="storm"),
    Row("forget@idle=1s", red=SLOW, checks=SLOW, timeout="1s"),
    Row("rst@1s", red=SLOW, checks=SLOW),
    Row("truncate@1s", red="first-byte idle-keepalive hold", yellow="idle", checks=SLOW),
]

# Rows for the other engines: what their own code decides, in checks that end soon.
OTHER_ENGINES = [
    Row("", checks=SHORT + " half-close tail cross-talk isolation"),
    Row("chunk=1", checks=SHORT),
    Row("delay=2ms~1ms", checks="echo backend trickle fin-with-data"),
    Row("throttle=1M/s", checks="echo backend trickle fin-with-data"),
    Row("slow-read=1M/s", checks="echo backend trickle fin-with-data"),
    Row("corrupt@80=0x01", red=ABOVE_80, checks=SHORT),
    Row("drop@80=10", red=ABOVE_80, checks=SHORT, timeout="1s"),
    Row("duplicate@80=10", red=ABOVE_80, checks=SHORT),
    Row("swap@8k=100", red="cross-talk", checks="cross-talk"),
    Row("truncate@80", red=ABOVE_80, checks=SHORT),
    Row("rst@80", red=ABOVE_80, checks=SHORT),
    Row("stall@80", red=ABOVE_80, checks=SHORT, timeout="1s"),
    Row("half-close@80", red=ABOVE_80, checks=SHORT),
    Row("rst@accept", yellow="fin-only", red=SHORT_ECHO, checks=SHORT),
    Row("rst@eof", yellow="fin-only fin-with-data ends-with-fin", checks=SHORT),
    Row("no-half-close", red="fin-with-data urgent", checks=SHORT),
    Row("no-fin", red="fin-only fin-with-data ends-with-fin", checks=SHORT, timeout="1s"),
    Row("silent", red=SHORT_ECHO, checks=SHORT, timeout="1s"),
    Row("banner=220 ready\\r\\n", red=SHORT_ECHO + " fin-only", checks=SHORT),
    Row("no-accept=2s", yellow="first-byte", checks="first-byte backend", timeout="9s"),
    Row("limit=8", red="limit", checks="limit"),
    Row("forget@idle=1s", red="first-byte", checks="first-byte backend", timeout="1s"),
]
