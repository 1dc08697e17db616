# SPDX-License-Identifier: MIT
"""Stops a server for a moment in the middle of a run: which figures show it, and which do not.

docs/COORDINATED-OMISSION.md explains what is measured here.
"""
import json
import os
import signal
import statistics
import time

from harness import children_of, proc_state, sockets_of, wait_until

import hdr
import ourclient
import plot
import report
import servers

PICTURE = "coordinated-omission.svg"

RATE, CONNECTIONS = 2000, 4
STOPPED = 0.2  # seconds
BEFORE = 0.4  # share of the run's length before the server is stopped
WARMUP = 0.3

PERCENTS = (50, 90, 99, 99.9, 99.99)

# Allowed relative error of the 99th percentile against arithmetic: the backlog takes time to work off.
ABOUT = 0.05

# A figure does not show the stop if it is below this share of the value that arithmetic gives.
UNAWARE = 0.1

# The curve: number of points from one nine to the next, up to four nines.
STEPS, NINES = 8, 4
TICKS = {1: "0 %", 10: "90 %", 100: "99 %", 1000: "99.9 %", 10000: "99.99 %"}

RESPONSE = "response time, open loop"
SERVICE = "service time, the same run"
CLOSED = "round trip, closed loop"
BEAT = "round trip, ping -i"
NAMES = {RESPONSE: "response time", SERVICE: "service time", CLOSED: "closed loop"}


def stop_for_a_moment(pids):
    """Stops processes. Returns the minimum time in seconds for which they were stopped."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(proc_state(pid) == "T" for pid in pids), "them to stand still")
    since = time.monotonic()
    time.sleep(STOPPED)
    stopped = time.monotonic() - since
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    return stopped


def family(client):
    return [client.pid, *children_of(client.pid)]


def has_connected(client, n_sockets):
    return sum(len(sockets_of(pid)) for pid in family(client)) >= n_sockets


def run(truth, n_sockets, words_of, *options, whom="server"):
    """Returns (output, error, minimum time in seconds for which the server, or the client, was stopped)."""
    kind = servers.engine("epoll", truth.server_program, "epoll", *servers.ONE_WORKER)
    with servers.RunningServer(kind, truth.scratch, truth.server_core) as server:
        client = ourclient.start(words_of(truth.program, server, *options), truth.client_core)
        wait_until(lambda: has_connected(client, n_sockets) or client.poll() is not None, "it to connect")
        time.sleep(WARMUP + truth.seconds * BEFORE)
        servers_own = [server.process.pid, *server.descendants()]
        stopped = stop_for_a_moment(family(client) if whom == "client" else servers_own)
        output, error = ourclient.finish(client)
    return output, error, stopped


def measure(truth):
    """Returns {"error": ..., "stopped_us": ..., "counts": name -> [(nanoseconds, count)]}."""
    path = truth.scratch / "log"
    options = ["-c", CONNECTIONS, "-d", f"{int(truth.seconds * 1000)}ms", "--hlog", path]
    options += ["--warmup", f"{WARMUP * 1000:.0f}ms"]
    beats = int(truth.seconds * RATE)
    _, error, stopped = run(truth, CONNECTIONS, ourclient.bench_words, *options, "-r", RATE)
    if error:
        return {"error": error}
    logs = hdr.log(path)
    counts = {RESPONSE: logs["response"], SERVICE: logs["service"]}
    _, error, _ = run(truth, CONNECTIONS, ourclient.bench_words, *options)
    if error:
        return {"error": error}
    counts[CLOSED] = hdr.log(path)["response"]
    interval = f"{1_000_000 // RATE}us"
    output, error, _ = run(truth, 1, ourclient.ping_words, "-c", beats, "-i", interval)
    if error:
        return {"error": error}
    counts[BEAT] = hdr.decode(json.loads(output)["histogram"])
    return {"error": None, "stopped_us": stopped * 1e6, "counts": counts}


def measure_client(truth):
    """Stops the client itself. Returns {"error": ..., "stopped_us": ..., "lateness_p99_us": ..., "disowned": ...}."""
    options = ["-c", CONNECTIONS, "-d", f"{int(truth.seconds * 1000)}ms", "--warmup", f"{WARMUP * 1000:.0f}ms"]
    output, error, stopped = run(truth, CONNECTIONS, ourclient.bench_words, *options, "-r", RATE, whom="client")
    if error:
        return {"error": error}
    says = json.loads(output)
    late_us = says["lateness_us"]["p99"]
    return {"error": None, "stopped_us": stopped * 1e6, "lateness_p99_us": late_us, "disowned": says["client_bound"]}


def due_us(measured, seconds):
    """Returns the 99th percentile by arithmetic: the last hundredth of all messages were due first in the stop."""
    return measured["stopped_us"] - seconds * 1e6 / 100


def p99_us(measured, name):
    return hdr.percentile(measured["counts"][name], 99) / 1000


def is_about(measured, seconds):
    due = due_us(measured, seconds)
    return abs(p99_us(measured, RESPONSE) - due) <= ABOUT * due


def is_unaware(measured, name, seconds):
    return p99_us(measured, name) < UNAWARE * due_us(measured, seconds)


# ---- the report ----

HEAD = ["what is counted", "messages", *(f"p{percent} ms" for percent in PERCENTS), "max ms"]


def rows_of(good):
    """Returns a row for each way of counting: medians of the rounds, in milliseconds."""
    rows = []
    for name in (RESPONSE, SERVICE, CLOSED, BEAT):
        counts = [one["counts"][name] for one in good]
        n = statistics.median(sum(count for _, count in one) for one in counts)
        percents = (*PERCENTS, 100)
        values = [statistics.median(hdr.percentile(one, percent) / 1e6 for one in counts) for percent in percents]
        rows.append([name, f"{n:,.0f}", *(f"{value:,.3f}" for value in values)])
    return rows


def curve(counts):
    """Returns [(1 / (1 - share), milliseconds)...]: each factor of ten is another nine."""
    points = []
    for step in range(STEPS * NINES + 1):
        x = 10 ** (step / STEPS) if step % STEPS else 10 ** (step // STEPS)
        ms = hdr.percentile(counts, 100 - 100 / x) / 1e6
        points.append((x, ms, ms, ms))
    return points


def picture(measured):
    series = {words: curve(measured["counts"][name]) for name, words in NAMES.items()}
    note = (
        f"ms, over percentiles; {RATE:,} messages per second over {CONNECTIONS} connections, "
        f"the server stopped for {STOPPED * 1000:.0f} ms"
    )
    return plot.draw_lines(series, "One stop, counted in three ways", note, TICKS)


def promise(words, verdicts, evidence, result):
    n_good = sum(verdicts)
    said = "reached" if verdicts and n_good == len(verdicts) else f"in {n_good} of {len(verdicts)} rounds"
    return {"promise": words, "evidence": evidence, "result": f"{said}: {result}"}


def promise_of_client(results, evidence):
    """A client that was stopped must report it."""
    good = [one for one in results if not one["error"]]
    late_us = [one["lateness_p99_us"] for one in good]
    said = f"lateness p99 {statistics.median(late_us) / 1000:.1f} ms" if good else results[-1]["error"]
    words = "client stopped for 200 ms: it reports its lateness, and that the run is no measurement"
    return promise(words, [not one["error"] and bool(one["disowned"]) for one in results], evidence, said)


def tell_stop(truth, rounds):
    """Returns (promises, table)."""
    results, of_client = [], []
    for number in range(rounds):
        report.progress(f"round {number + 1} of {rounds}: a stop")
        results.append(measure(truth))
        of_client.append(measure_client(truth))
    report.progress("")
    good = [one for one in results if not one["error"]]
    errors = sorted({one["error"] for one in results if one["error"]})
    seconds = truth.seconds
    evidence = f"{RATE:,} per second for {seconds:g} s, {CONNECTIONS} connections, stopped for {STOPPED * 1000:.0f} ms"
    if not good:
        failed = {"promise": "a stop is visible in the figures", "evidence": evidence, "result": f"not reached: {'; '.join(errors)}"}
        return [failed], {"title": "A stop", "text": "", "head": HEAD, "rows": []}
    ms = {name: f"{statistics.median(p99_us(one, name) for one in good) / 1000:.1f} ms" for name in good[0]["counts"]}
    due = statistics.median(due_us(one, seconds) for one in good) / 1000
    promises = [
        promise(
            "server stopped for 200 ms: response p99 within 5 % of the computed value",
            [not one["error"] and is_about(one, seconds) for one in results],
            evidence,
            "; ".join([f"{ms[RESPONSE]}, due {due:.1f} ms", *errors]),
        )
    ]
    promises += [
        promise(
            f"and not visible in: {name}",
            [not one["error"] and is_unaware(one, name, seconds) for one in results],
            evidence,
            f"p99 {ms[name]}",
        )
        for name in (SERVICE, CLOSED, BEAT)
    ]
    promises.append(promise_of_client(of_client, evidence))
    text = f"By arithmetic the response p99 is {due:.1f} ms: the stop, less a hundredth of the run."
    table = {"title": "A server that stands still for 200 ms", "text": text, "head": HEAD, "rows": rows_of(good)}
    middle = sorted(good, key=lambda one: p99_us(one, RESPONSE))[len(good) // 2]
    words = "Three percentile curves; the table has the figures"
    return promises, table | {"picture": (PICTURE, picture(middle), words)}
