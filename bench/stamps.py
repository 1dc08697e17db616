# SPDX-License-Identifier: MIT
"""Compares our clock readings with the kernel's time stamps: where they differ, and by how much."""
import statistics

import ourclient
import report
import servers

SIZE, COUNT, WARMUP = 64, 3000, 300

HEAD = ["", "asleep: p50 µs", "p99 µs", "looking again and again: p50 µs", "p99 µs"]

# label -> (from, to): the stamps of bench/peers/stamps.c
STEPS = {
    "our clock, before send(2), to the kernel's queue (TX_SCHED)": ("before", "sched"),
    "the queue to the driver (TX_SOFTWARE)": ("sched", "driver"),
    "the driver to the acknowledgement (TX_ACK)": ("driver", "ack"),
    "the driver to our clock after send(2)": ("driver", "after"),
    "the driver to the echo's arrival (RX): the server, by the kernel's clock": ("driver", "arrived"),
    "the echo's arrival to our clock after recv(2): waking up": ("arrived", "back"),
    "the round trip as we see it: before send(2) to after recv(2)": ("before", "back"),
}
OURS = ("before", "back")
KERNELS = ("driver", "arrived")


def read(output):
    """Returns [{name of a stamp: nanoseconds since the first}]; missing stamps are left out."""
    head, *lines = output.splitlines()
    names = head.split()
    found = []
    for line in lines:
        pairs = zip(names, line.split())
        found.append({name: int(word) for name, word in pairs if word != "-"})
    return found


def between(messages, step):
    """Returns the sorted microseconds from one stamp to another, for messages that have both."""
    first, last = step
    return sorted((one[last] - one[first]) / 1000 for one in messages if first in one and last in one)


def middle(rising):
    return report_us(statistics.median(rising)) if rising else "-"


def last_hundredth(rising):
    return report_us(rising[len(rising) * 99 // 100]) if rising else "-"


def report_us(value):
    """Like report.number(), but also for negative values."""
    return f"{'-' if value < 0 else ''}{report.number(abs(float(value)))}"


def measure(truth, *options):
    """Returns (messages, error)."""
    kind = servers.engine("epoll", truth.server_program, "epoll", *servers.ONE_WORKER)
    words = [truth.directory / "stamps", "-n", COUNT, "-w", WARMUP, "-s", SIZE, *options]
    with servers.RunningServer(kind, truth.scratch, truth.server_core) as server:
        output, error = ourclient.run([*words, *ourclient.where(server)], truth.client_core)
    return (read(output) if output else []), error


def ping_p50_us(truth, *options):
    kind = servers.engine("epoll", truth.server_program, "epoll", *servers.ONE_WORKER)
    with servers.RunningServer(kind, truth.scratch, truth.server_core) as server:
        words = ourclient.ping_words(truth.program, server, "-c", COUNT, "-i", "0", "-s", SIZE, *options)
        says = ourclient.json_of(words, truth.client_core)
    return float("nan") if says["error"] else says["response_us"]["p50"]


def tell_stamps(truth, rounds):
    """Returns (promises, table)."""
    asleep, looking, errors, pings, spins = [], [], set(), [], []
    for number in range(rounds):
        report.progress(f"round {number + 1} of {rounds}: time stamps")
        for into, options in ((asleep, ()), (looking, ("-p",))):
            messages, error = measure(truth, *options)
            into += messages
            errors |= {error} if error else set()
        pings.append(ping_p50_us(truth))
        spins.append(ping_p50_us(truth, "--spin"))
    report.progress("")
    rows = []
    for words, step in STEPS.items():
        both = [between(messages, step) for messages in (asleep, looking)]
        rows.append([words, *(cell for rising in both for cell in (middle(rising), last_hundredth(rising)))])
    ours, kernels = between(asleep, OURS), between(asleep, KERNELS)
    rows.append(["`tcpecho ping`, the same server, p50 (`--spin`)", *ping_cells(pings), *ping_cells(spins)])
    result = "; ".join(errors) if errors else "no time stamps"
    if ours and kernels:
        above = statistics.median(ours) - statistics.median(kernels)
        result = f"{above:.1f} µs in the median, {above / statistics.median(ours) * 100:.0f} % of the round trip"
    promise = {
        "promise": "how much of a round trip is outside the kernel's time stamps",
        "evidence": f"SO_TIMESTAMPING, loopback, {len(asleep):,} messages of {SIZE} B",
        "result": result,
    }
    text = "Per message; a negative difference means the other order."
    return [promise], {"title": "Our clock and the kernel's time stamps", "text": text, "head": HEAD, "rows": rows}


def ping_cells(found):
    return report_us(statistics.median(found)), "-"
