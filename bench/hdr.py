# SPDX-License-Identifier: MIT
"""Reads the formats of HdrHistogram and `tcpecho bench --hlog`: the counts, from which figures are computed again."""
import base64
import math
import struct
import zlib

COMPRESSED, PLAIN = 0x1C849314, 0x1C849313  # cookies of the encodings V2
HALF = 1024  # buckets per doubling of the value, with three digits


def varints(data):
    """Yields numbers: seven bits a byte, the ninth byte whole, signed by zigzag."""
    at = 0
    while at < len(data):
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            if shift == 56:
                value |= byte << shift
                break
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield (value >> 1) ^ -(value & 1)


def highest(index):
    """Returns the highest value of a bucket."""
    doublings = max(index // HALF - 1, 0)
    within = index - doublings * HALF
    return ((within + 1) << doublings) - 1


def decode(text):
    """Returns [(nanoseconds, count)], sorted: for each non-empty bucket its highest value."""
    data = base64.b64decode(text)
    cookie, size = struct.unpack_from(">II", data)
    if cookie != COMPRESSED:
        raise ValueError("not a histogram in the compressed encoding V2")
    plain = zlib.decompress(data[8 : 8 + size])
    inner, length, _, digits = struct.unpack_from(">IIII", plain)
    if (inner, digits) != (PLAIN, 3):
        raise ValueError("not a histogram of three digits in the encoding V2")
    found, index = [], 0
    for value in varints(plain[40 : 40 + length]):
        if value > 0:
            found.append((highest(index), value))
        index += -value if value < 0 else 1
    return found


def percentile(counts, percent):
    """Returns the smallest value that `percent` percent of the values do not exceed."""
    n = sum(count for _, count in counts)
    rank = max(math.ceil(n * percent / 100 - 1e-9), 1)
    for value, count in counts:
        rank -= count
        if rank <= 0:
            return value
    return None


def added(parts):
    """Returns the sum of several histograms' counts."""
    total = {}
    for counts in parts:
        for value, count in counts:
            total[value] = total.get(value, 0) + count
    return sorted(total.items())


def log(path):
    """Returns tag -> the counts of all intervals, from a log."""
    found = {}
    for line in path.read_text().splitlines():
        if line.startswith("Tag="):
            tag, _, _, _, histogram = line.split(",")
            found.setdefault(tag.partition("=")[2], []).append(decode(histogram))
    return {tag: added(parts) for tag, parts in found.items()}
