# SPDX-License-Identifier: MIT
"""Plans: all parameters of a conversation over a bad network; and the plan of a seed.

Sizes and times are chosen so that a run takes seconds. Where the kernel's own timeouts would take minutes, sysctls
of a host shorten them.
"""
import dataclasses
import math
import random

from box import DOWN, UP, Impairment
from hosts import Host
from judge import PROHIBITED, REJECTED

FOREVER = 1_000_000

# Buffer sizes, in the form of tcp_rmem and tcp_wmem.
SMALL = "4096 16384 16384"
TINY = "4096 4096 4096"


@dataclasses.dataclass(frozen=True)
class Trouble:
    """A deliberate fault in a conversation.

    kind: "vanish", "one way", "quota", "cut", "forge", "server reboots", "client reboots": at byte `at` of a way;
    "SYN", "FIN": the first `count` of a way are lost; "reject": by that rule; "idle": the client is slower than the
    server's idle timeout.
    """

    kind: str = "none"
    way: int = UP
    at: int = 0
    count: int = 0
    rule: str = ""

    @property
    def lasts(self):
        """Returns whether the conversation can never be whole again."""
        return self.kind != "none" and (self.kind not in ("SYN", "FIN") or self.count == FOREVER)


@dataclasses.dataclass(frozen=True)
class Plan:
    """One conversation. Times in seconds."""

    name: str
    seed: int = 0  # seed of the bytes and of the box
    family: int = 4
    size: int = 50_000
    lines: int = 0  # typed in this number of parts, with a pause between; 0: from a file
    pause: float = 0.0
    reader_pause: float = 0.0  # the reader of talk's output starts after this time, and its pipe is small
    timeout: float = 0.0  # talk --timeout
    idle_timeout: float = 0.0  # serve --idle-timeout
    client: Host = Host()
    server: Host = Host()
    impairment: Impairment = Impairment()
    trouble: Trouble = Trouble()


def of_seed(seed):
    """Returns the plan of a seed, which determines everything."""
    draw = random.Random(seed)
    impairment = draw_impairment(draw)
    mtu = draw.choice((1500, 1500, 1500, 9000, 65535, 1280, 576))
    advmss = draw.choice((0, 0, 0, 0, 536, 88))
    is_roomy = draw.random() < 0.4
    plan = Plan(
        f"seed {seed}",
        seed=seed,
        family=4 if mtu < 1280 else draw.choice((4, 6)),
        client=draw_host(draw, mtu, advmss, is_roomy),
        server=draw_host(draw, mtu, advmss, is_roomy),
        impairment=impairment,
        idle_timeout=draw.choice((0.0, 0.0, 30.0)),
        timeout=draw.choice((0.0, 0.0, 30.0)),
    )
    plan = dataclasses.replace(plan, size=min(draw_size(draw), affordable(plan)))
    if draw.random() < 0.25:
        lines = draw.randint(1, 20)
        plan = dataclasses.replace(plan, lines=lines, pause=draw.uniform(0.0, 1.0) / lines)
    elif draw.random() < 0.2:
        plan = dataclasses.replace(plan, reader_pause=draw.uniform(0.1, 1.0))
    return draw_trouble(draw, plan) if draw.random() < 0.45 else plan


def draw_size(draw):
    """Returns a size in bytes: small ones, at which programs fail, usual ones, sometimes a megabyte."""
    return draw.choice((
        draw.choice((0, 1, 2, 1447, 1448, 1449, 4096, 65535, 65536, 65537)),
        draw.randint(0, 5_000),
        draw.randint(5_000, 100_000),
        draw.randint(5_000, 100_000),
        draw.randint(100_000, 300_000),
        draw.choice((300_000, 1 << 20, 1_500_000)),
    ))


def draw_impairment(draw):
    """Returns impairments, each with a probability of one half; a quarter of the networks has none."""
    if draw.random() < 0.25:
        return Impairment()

    def share(most):
        return draw.choice((0.0, draw.uniform(0.001, most)))

    return Impairment(
        loss=share(0.08),
        duplication=share(0.1),
        reordering=share(0.2),
        corruption=share(0.05),
        delay=share(0.03),
        jitter=share(0.01),
        hold=draw.uniform(0.001, 0.02),
    )


def draw_host(draw, mtu, advmss, is_roomy):
    receive, send = "4096 131072 6291456", "4096 16384 4194304"  # Linux's defaults
    sysctls = {
        "tcp_rmem": receive if is_roomy else draw.choice((receive, SMALL, TINY)),
        "tcp_wmem": send if is_roomy else draw.choice((send, SMALL, TINY)),
        "tcp_sack": draw.choice((1, 1, 0)),
        "tcp_timestamps": draw.choice((1, 1, 0)),
        "tcp_window_scaling": draw.choice((1, 1, 0)),
    }
    return Host(sysctls=sysctls, mtu=mtu, advmss=advmss, congestion=draw.choice(("cubic", "reno", "bbr")))


def affordable(plan, seconds=3.0):
    """Returns about how many bytes come back over such a network in that time."""
    impairment = plan.impairment
    segment = min(plan.client.advmss or plan.client.mtu - 52, 16_384)
    buffers = (words.sysctls[name] for words in (plan.client, plan.server) for name in ("tcp_rmem", "tcp_wmem"))
    # The kernel needs half a buffer for its own data, and each segment in it costs some more.
    window = min(int(buffer.split()[2]) for buffer in buffers) / 2 * segment / (segment + 700)
    segments = max(1.0, window / segment)
    trip = 2 * (impairment.delay + impairment.jitter) + 0.002
    if window <= 8192:
        trip += 0.04  # an acknowledgement may be delayed while nothing else is in flight
    bad = 2 * (impairment.loss + impairment.corruption)
    if bad and segments > 10:
        rate = segment * 1.2 / (trip * math.sqrt(bad))  # Mathis et al., 1997
    else:  # too few segments for a fast retransmission: a loss costs a timeout
        rate = window / (trip + 0.8 * min(1.0, bad * segments))
    return int(seconds * min(rate, 1_000 * segment, 1e6))


TROUBLES = ("vanish", "vanish", "one way", "quota", "cut", "cut", "forge", "server reboots", "server reboots",
            "client reboots", "SYN", "FIN", "reject", "idle")


def draw_trouble(draw, plan):
    """Returns the same plan with one of the troubles, and with the limits that let an end notice it in time."""
    kind = draw.choice(TROUBLES)
    way = draw.choice((UP, DOWN))
    size = max(plan.size, 1)
    at = draw.choice((0, size - 1, draw.randrange(size), draw.randrange(size)))
    trouble = Trouble(kind, way, at)
    changes = {"size": size}
    by_user = {"timeout": draw.choice((0.4, 1.0, 1.5))}
    # Without a --timeout the kernel gives up on unacknowledged bytes.
    by_kernel = {"timeout": 0.0, "client": with_sysctls(plan.client, tcp_retries2=draw.choice((1, 2)))}
    by_either = draw.choice((by_user, by_kernel))
    hurried = {
        "server": with_sysctls(plan.server, tcp_retries2=draw.choice((1, 2))),
        "idle_timeout": draw.choice((0.0, 0.5)),
    }
    if kind in ("vanish", "one way"):
        trouble = dataclasses.replace(trouble, at=draw.choice((at, size)))
        changes |= hurried | (by_either if way == UP else by_user)
    elif kind == "quota":
        # It counts the headers as well: the handshake must pass, and the rest must not.
        trouble = dataclasses.replace(trouble, way=UP, at=max(at, 500))
        changes |= hurried | by_either | {"size": max(size, 500)}
    elif kind == "server reboots":
        changes |= {} if way == UP else by_user
    elif kind == "client reboots":
        changes |= hurried
    elif kind == "SYN":
        trouble = Trouble(kind, way, count=draw.choice((1, 2, FOREVER)))
        few_syns = {"client": with_sysctls(plan.client, tcp_syn_retries=1)}
        changes |= draw.choice((by_user, few_syns)) if trouble.lasts else {}
    elif kind == "FIN":
        trouble = Trouble(kind, way, count=draw.choice((1, 2, 3, FOREVER)))
        changes |= hurried | (by_either if way == UP else by_user) if trouble.lasts else {}
    elif kind == "reject":
        trouble = Trouble(kind, rule=draw.choice((*REJECTED, PROHIBITED)))
    elif kind == "idle":
        trouble = Trouble(kind)
        changes |= {"lines": 3, "pause": 1.0, "idle_timeout": 0.3, "timeout": 0.0, "reader_pause": 0.0}
    return dataclasses.replace(plan, trouble=trouble, **changes)


def with_sysctls(setup, **sysctls):
    return setup._replace(sysctls={**setup.sysctls, **sysctls})
