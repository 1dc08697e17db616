# SPDX-License-Identifier: MIT
"""Results as `--json` writes them (docs/RESULT.md), with values that a test chooses."""
import base64
import json
import struct
import zlib

HOUR = 3_600_000_000_000


def index_of(value):
    """Returns the index of the value's bucket: buckets have a resolution of eleven bits."""
    value = min(value, HOUR)
    shift = max(value.bit_length() - 11, 0)
    return shift * 1024 + (value >> shift)


def highest(value):
    """Returns the highest value of the bucket of `value`."""
    value = min(value, HOUR)
    shift = max(value.bit_length() - 11, 0)
    return (((value >> shift) + 1) << shift) - 1


def percentile(values, percent):
    """Returns a percentile as reports print it: the highest value in the bucket, but the exact minimum and maximum."""
    ordered = sorted(values)
    millionths = round(percent * 1_000_000)
    rank = max(-(-len(ordered) * millionths // 100_000_000), 1)
    if rank == 1:
        return ordered[0]
    return ordered[-1] if rank == len(ordered) else min(highest(ordered[rank - 1]), ordered[-1])


def varint(number):
    """Encodes a number: seven bits a byte, the ninth byte whole, signed by zigzag."""
    number = (number << 1) ^ (number >> 63)
    octets = bytearray()
    while number >= 0x80 and len(octets) < 8:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def histogram(values):
    """Returns a histogram's string (HdrHistogram V2, compressed); None if there are no values."""
    if not values:
        return None
    counts = {}
    for value in values:
        counts[index_of(value)] = counts.get(index_of(value), 0) + 1
    payload, at = b"", 0
    for index in sorted(counts):
        payload += (varint(at - index) if index > at else b"") + varint(counts[index])
        at = index + 1
    plain = struct.pack(">IIIIQQd", 0x1C849313, len(payload), 0, 3, 1, HOUR, 1.0) + payload
    packed = zlib.compress(plain)
    return base64.b64encode(struct.pack(">II", 0x1C849314, len(packed)) + packed).decode()


def times(values):
    """Returns the figures of times, in microseconds."""
    if not values:
        return None
    figures = {f"p{percent}": percentile(values, percent) / 1e3 for percent in (50, 90, 99, 99.9, 99.99)}
    return {"min": min(values) / 1e3, "mean": sum(values) / len(values) / 1e3, "max": max(values) / 1e3, **figures}


def interval(at, response, service, failures):
    return {
        "start": float(at), "seconds": 1.0, "echoes": len(response), "unfinished": 0, "verified_bytes": 64 * len(response),
        "failures": failures, "response": histogram(response), "service": histogram(service),
    }


def document(seconds, **changes):
    """Returns a result of some seconds, each (response times, service times, failures); any field may be changed."""
    response = [value for second in seconds for value in second[0]]
    service = [value for second in seconds for value in second[1]]
    failures = sum(second[2] for second in seconds)
    return {
        "format": 1, "version": "0.1.0", "command": "bench", "command_line": "tcpecho bench -c 8 -r 1k host.example",
        "start": "2026-11-26T04:36:17.123456Z", "host": "client.example", "kernel": "Linux 6.18.5 x86_64",
        "cpu": "A CPU", "cpus": 4, "congestion_control": "cubic", "mss": 1448, "merged": 1, "parts": None,
        "target": "192.0.2.7:9877", "mode": "open", "connections": 8, "size": 64, "depth": 1, "threads": 1, "seed": 7,
        "churn": False, "rate_wanted": 1000, "warmup_seconds": 0.0, "seconds": float(len(seconds)),
        "sent": len(response) + failures, "echoes": len(response),
        "failed": sum(changes.get("errors", {"": failures}).values()), "unfinished": 0,
        "rate": len(response) / max(len(seconds), 1), "bytes": 64 * (len(response) + failures),
        "verified_bytes": 64 * len(response), "missing_bytes": 64 * failures, "mismatches": 0, "wrong_bytes": 0,
        "connections_opened": 8, "errors": {"no_reply": failures} if failures else {}, "connection_errors": {},
        "first_mismatch": None,
        "response_us": times(response), "service_us": times(service), "lateness_us": None, "connect_us": None,
        "kernel_us": {"smoothed": 34.0, "deviation": 6.0, "min": 21.0, "retransmits": 3},
        "client_cpu_share": 0.37, "client_spin_share": 0.0, "client_bound": None,
        "histogram": histogram(response),
        "service_histogram": histogram(service), "lateness_histogram": None, "connect_histogram": None,
        "series": [interval(at, *second) for at, second in enumerate(seconds)],
        **changes,
    }


def write(path, seconds, **changes):
    """Writes the document to a file; returns the path."""
    path.write_text(json.dumps(document(seconds, **changes)))
    return path
