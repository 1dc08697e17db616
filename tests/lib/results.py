# SPDX-License-Identifier: MIT
"""Results as documents, written and read without the program: a histogram's string, and a run."""
import base64
import collections
import copy
import json
import pathlib
import struct
import sys
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

import hdr  # noqa: E402

HOUR = 3_600_000_000_000


# ---- buckets ----

def index_of(ns):
    """Returns the index of the value's bucket: buckets have a resolution of eleven bits."""
    shift = max(min(ns, HOUR).bit_length() - 11, 0)
    return (shift << 10) + (min(ns, HOUR) >> shift)


# ---- strings ----

def encode(values):
    """The string of values in nanoseconds: HdrHistogram's compressed encoding V2."""
    counts = collections.Counter(map(index_of, values))
    payload, expected = bytearray(), 0
    for index in sorted(counts):
        if index > expected:
            payload += zigzag(expected - index)
        payload += zigzag(counts[index])
        expected = index + 1
    return string_of(bytes(payload))


def string_of(payload):
    head = struct.pack(">IIIIQQd", 0x1C849313, len(payload), 0, 3, 1, HOUR, 1.0)
    packed = zlib.compress(head + payload)
    return base64.b64encode(struct.pack(">II", 0x1C849314, len(packed)) + packed).decode()


def zigzag(number):
    rest, out = (number << 1) ^ (number >> 63), bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return out


def decode(string):
    """Returns a histogram string's counts: highest value of a bucket -> count. Empty for None."""
    return collections.Counter(dict(hdr.decode(string)) if string else {})


# ---- documents ----

def times(values):
    """Returns the figures that stand beside a histogram."""
    if not values:
        return None
    ordered = sorted(values)
    named = {"p50": 5000, "p90": 9000, "p99": 9900, "p99.9": 9990, "p99.99": 9999}
    figures = {name: ordered[-(-len(ordered) * part // 10_000) - 1] / 1000 for name, part in named.items()}
    return {"min": ordered[0] / 1000, "mean": sum(ordered) / len(ordered) / 1000, **figures, "max": ordered[-1] / 1000}


def result(values, seconds=1.0, **changes):
    """Returns a document with these response times in nanoseconds, in one interval, with any changes."""
    n = len(values)
    document = {
        "format": 1, "version": "0.1.0", "command": "bench", "command_line": "tcpecho bench",
        "start": "2026-11-26T04:36:17.123456Z", "host": "here", "kernel": "Linux 6.1.0 x86_64", "cpu": None, "cpus": 2,
        "congestion_control": "cubic", "mss": 1448, "merged": 1, "parts": None, "target": "127.0.0.1:9877", "mode": "closed",
        "connections": 4, "size": 64, "depth": 1, "threads": 1, "seed": 1, "churn": False, "rate_wanted": None,
        "warmup_seconds": 0.0, "seconds": seconds, "sent": n, "echoes": n, "failed": 0, "unfinished": 0, "rate": n / seconds,
        "bytes": 64 * n,
        "verified_bytes": 64 * n, "missing_bytes": 0, "mismatches": 0, "wrong_bytes": 0, "connections_opened": 4, "errors": {},
        "connection_errors": {},
        "first_mismatch": None, "response_us": times(values), "service_us": times(values), "lateness_us": None,
        "connect_us": None, "kernel_us": None, "client_cpu_share": 0.5, "client_spin_share": 0.0, "client_bound": None,
        "histogram": encode(values) if values else None, "service_histogram": encode(values) if values else None,
        "lateness_histogram": None, "connect_histogram": None,
        "series": [{"start": 0.0, "seconds": seconds, "echoes": n, "unfinished": 0, "verified_bytes": 64 * n,
                    "failures": 0,
                    "response": encode(values) if values else None, "service": None}],
    }
    document.update(copy.deepcopy(changes))
    if isinstance(document["errors"], dict) and "series" not in changes:
        document["series"][0]["failures"] = min(sum(document["errors"].values()), 2**63 - 1)
    if isinstance(document["errors"], dict) and "failed" not in changes:
        counts = [n for name, n in document["errors"].items() if name != "never_sent" and isinstance(n, int)]
        document["failed"] = min(sum(counts), 2**63 - 1)
    return document


def write(path, document):
    path.write_text(json.dumps(document))
    return path
