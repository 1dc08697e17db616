# SPDX-License-Identifier: MIT
"""What other tools print for a round trip of 64 B over loopback, and what that means.

Most of these work only with their own server: it then runs on the same core as ours.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
from typing import Callable, NamedTuple, Optional

from harness import wait_until

import ourclient
import report
import servers

SIZE = 64
LISTENING = "0A"  # the state in /proc/net/tcp

HEAD = ["client", "its server", "it prints, µs", "which is", "as a round trip, µs", "/ bare-ping"]


def netperf(output):
    return float(output.split(",")[1])


def sockperf(output):
    return float(re.search(r"percentile 50\.000 += +([0-9.]+)", output).group(1))


def qperf(output):
    value, unit = re.search(r"latency += +([0-9.]+) (ns|us|ms)", output).groups()
    return float(value) * {"ns": 0.001, "us": 1, "ms": 1000}[unit]


def iperf3(output):
    return float(json.loads(output)["end"]["streams"][0]["sender"]["mean_rtt"])


def fortio(output):
    found = json.loads(output[output.index("{") :])["DurationHistogram"]["Percentiles"]
    return next(one["Value"] for one in found if one["Percentile"] == 50) * 1e6


def p50(output):
    return json.loads(output)["p50_us"]


def response_p50(output):
    return json.loads(output)["response_us"]["p50"]


class Tool(NamedTuple):
    """One client: the commands of server and client, the output, and how a round trip is computed from it."""

    name: str
    needs: str
    ask: Callable  # (bench, address, port) -> words
    read: Callable  # its output -> microseconds
    which: str
    factor: float = 1
    serve: Optional[Callable] = None  # port -> words; None: it uses our server


def seconds(bench):
    return str(max(round(bench.seconds), 1))


def netperf_words(bench, address, port):
    words = f"netperf -4 -P 0 -H {address} -p {port} -t TCP_RR -l {seconds(bench)} --".split()
    return [*words, "-r", f"{SIZE},{SIZE}", "-D", "-o", "MEAN_LATENCY,P50_LATENCY,P99_LATENCY"]


def sockperf_words(bench, address, port):
    return f"sockperf ping-pong --tcp -i {address} -p {port} -m {SIZE} -t {seconds(bench)}".split()


def qperf_words(bench, address, port):
    return f"qperf {address} -lp {port} -t {max(int(seconds(bench)), 2)} -m {SIZE} tcp_lat".split()


TOOLS = (
    Tool(
        "bare-ping",
        "sh",
        lambda bench, address, port: [bench.directory / "bare-ping", "-n", "8000", address, port],
        p50,
        "p50 of round trips",
    ),
    Tool(
        "tcpecho ping -i 0",
        "sh",
        lambda bench, address, port: [bench.program, *f"ping -q --json -c 8000 -i 0 {address} {port}".split()],
        response_p50,
        "p50 of round trips, bytes compared",
    ),
    Tool(
        "tcpecho bench -c 1",
        "sh",
        lambda bench, address, port: [
            bench.program, *f"bench -q --json -c 1 -d {seconds(bench)}s {address} {port}".split()
        ],
        response_p50,
        "p50 of round trips, bytes compared",
    ),
    Tool(
        "fortio load -c 1",
        "fortio",
        lambda bench, address, port: [
            *f"fortio load -quiet -json - -qps 0 -c 1 -t {seconds(bench)}s".split(),
            *f"-payload-size {SIZE} tcp://{address}:{port}".split(),
        ],
        fortio,
        "p50 of round trips, between the bounds of wide buckets",
    ),
    Tool(
        "netperf TCP_RR",
        "netperf",
        netperf_words,
        netperf,
        "p50 of round trips, in whole microseconds",
        serve=lambda port: f"netserver -D -4 -L 127.0.0.1 -p {port}".split(),
    ),
    Tool(
        "sockperf ping-pong --tcp",
        "sockperf",
        sockperf_words,
        sockperf,
        "p50 of half round trips",
        2,
        lambda port: f"sockperf server --tcp -i 127.0.0.1 -p {port}".split(),
    ),
    Tool(
        "qperf tcp_lat",
        "qperf",
        qperf_words,
        qperf,
        "half of the mean of round trips",
        2,
        lambda port: f"qperf -lp {port}".split(),
    ),
    Tool(
        "iperf3 -l 64 -N",
        "iperf3",
        lambda bench, address, port: f"iperf3 -J -N -l {SIZE} -t {seconds(bench)} -c {address} -p {port}".split(),
        iperf3,
        "mean of the kernel's smoothed round-trip times while it floods: no echo at all",
        serve=lambda port: f"iperf3 -s -B 127.0.0.1 -p {port}".split(),
    ),
)


# ---- measurements ----


def is_listening(port):
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    rows += [line.split() for line in pathlib.Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    return any(row[3] == LISTENING and int(row[1].rpartition(":")[2], 16) == port for row in rows)


class TheirServer:
    """A server that is no echo server, so the test for readiness is only that it listens."""

    def __init__(self, bench, tool):
        self.address, self.port = "127.0.0.1", servers.free_port()
        self.process = subprocess.Popen(
            tool.serve(self.port),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: bench.server_core is not None and os.sched_setaffinity(0, {bench.server_core}),
        )

    def __enter__(self):
        wait_until(lambda: is_listening(self.port) or self.process.poll() is not None, "it to listen", within=5)
        return self

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        servers.reap_orphans()


def server_for(bench, tool):
    if tool.serve:
        return TheirServer(bench, tool)
    kind = servers.engine("epoll", bench.server_program, "epoll", *servers.ONE_WORKER)
    return servers.RunningServer(kind, bench.scratch, bench.server_core)


def measure(bench, tool):
    """Returns {"printed": microseconds, "error": None}."""
    try:
        with server_for(bench, tool) as server:
            output, error = ourclient.run(tool.ask(bench, server.address, str(server.port)), bench.client_core)
            return {"error": error} if error else {"error": None, "p50_us": tool.read(output)}
    except (RuntimeError, AssertionError, AttributeError, ValueError, LookupError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


def tell(bench, rounds):
    """Returns (table, why others are left out)."""
    tools = [tool for tool in TOOLS if shutil.which(tool.needs)]
    left_out = [f"{tool.name}, for {tool.needs} is not installed" for tool in TOOLS if tool not in tools]
    results = {tool.name: [] for tool in tools}
    for number in range(rounds):
        for tool in tools:
            report.progress(f"others: round {number + 1} of {rounds}, {tool.name}")
            results[tool.name].append(measure(bench, tool))
    report.progress("")
    rows, errors = [], set()
    for tool in tools:
        found = results[tool.name]
        whole = [one if one["error"] else one | {"p50_us": one["p50_us"] * tool.factor} for one in found]
        rows.append(
            [
                tool.name,
                "its own" if tool.serve else "tcpecho serve -e epoll",
                report.spread(found, "p50_us"),
                tool.which,
                report.spread(whole, "p50_us"),
                report.ratio(whole, results["bare-ping"], "p50_us"),
            ]
        )
        errors |= {f"{tool.name}: {one['error']}" for one in found if one["error"]}
    title = f"`others`: what each prints for a round trip of {SIZE} B"
    return {"title": title, "text": "; ".join(sorted(errors)), "head": HEAD, "rows": rows}, left_out
