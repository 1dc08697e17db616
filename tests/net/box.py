# SPDX-License-Identifier: MIT
"""The box between two hosts: every packet passes through it, and some are damaged, delayed or lost.

It reads packets from one TUN device (kernel: networking/tuntap) and writes them to the other. An Impairment is
random, drawn from the seed. An Interference is deliberate, and sees every segment before the impairments.

A TUN device without IFF_VNET_HDR has no offloads: packets from it have correct checksums and fit the MTU, and
packets to it are checked as if they came from a wire.
"""
import collections
import contextlib
import heapq
import itertools
import os
import random
import select
import threading
import time
from typing import NamedTuple

from harness import TIMEOUT
from packets import ACK, FIN, RST, SYN, flip_bit, forge, parse, reset_to_receiver, reset_to_sender

# The two directions, and the index of the device where each begins.
UP, DOWN = 0, 1  # from client to server, from server to client
WAYS = ("up", "down")

LARGEST_PACKET = 65535


class Impairment(NamedTuple):
    """Random impairments of packets: shares from 0 to 1, times in seconds."""

    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    corruption: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0
    hold: float = 0.005  # seconds that a reordered packet is held back


class Box(threading.Thread):
    """Forwards packets until the block ends.

    devices: the TUN of the client's host, and of the server's. tell: a function that is called with a line of text
    for every packet and what happened to it.
    """

    def __init__(self, devices, impairment, seed, interferences=(), tell=None):
        super().__init__()
        self.devices = devices
        self.impairment = impairment
        self.chances = [random.Random(f"{seed} {way}") for way in WAYS]
        self.interferences = interferences
        self.tell = tell
        self.counts = collections.Counter()
        self.first_seq = [0, 0]  # the SYN's sequence number
        self.delivered = [0, 0]  # bytes of the stream, up to the last one that passed unchanged
        self.end_delivered = [False, False]  # a FIN passed unchanged
        self.on_their_way = []  # a heap of (due time, number, way, packet)
        self.numbers = itertools.count()
        self.last_due = [0.0, 0.0]
        self.is_over = os.eventfd(0, os.EFD_CLOEXEC)
        self.error = None

    def __enter__(self):
        self.started_at = time.monotonic()
        self.start()
        return self

    def __exit__(self, *_):
        os.eventfd_write(self.is_over, 1)
        self.join(TIMEOUT)
        os.close(self.is_over)
        if self.error:
            raise self.error

    # ---- forwarding ----

    def run(self):
        try:
            self.forward()
        except BaseException as error:  # including a skip: the test's thread gets all of them
            self.error = error

    def forward(self):
        while True:
            timeout = None
            if self.on_their_way:
                timeout = max(0.0, self.on_their_way[0][0] - time.monotonic())
            ready = select.select([*self.devices, self.is_over], [], [], timeout)[0]
            if self.is_over in ready:
                return
            for way in (UP, DOWN):
                if self.devices[way] in ready:
                    self.take(way, os.read(self.devices[way], LARGEST_PACKET))
            while self.on_their_way and self.on_their_way[0][0] <= time.monotonic():
                _, _, way, packet = heapq.heappop(self.on_their_way)
                self.deliver(way, packet)

    def deliver(self, way, packet):
        """Passes a packet to the host at the end of a way, now."""
        with contextlib.suppress(OSError):  # a flipped bit may have made it an invalid IP packet
            os.write(self.devices[1 - way], packet)

    def take(self, way, packet):
        """Takes one packet that a host has sent. All packets except TCP pass without random impairments."""
        segment = parse(packet)
        if segment is None:
            self.deliver(way, packet)
            return
        self.note(way, segment)
        for interference in self.interferences:
            if interference.meddles(self, way, segment):
                self.counts[interference.word] += 1
                self.describe(way, segment, interference.word)
                return
        self.pass_on(way, segment)

    def note(self, way, segment):
        if segment.flags & SYN:
            self.first_seq[way] = segment.seq
        self.counts["segments"] += 1
        self.counts["zero windows"] += segment.window == 0 and not segment.flags & (SYN | RST)
        self.counts["largest"] = max(self.counts["largest"], segment.length)

    def offset(self, way, segment):
        """Returns the stream offset at which a segment begins. A keepalive probe has the offset before it (RFC 9293
        3.8.4)."""
        return signed(segment.seq + bool(segment.flags & SYN) - self.first_seq[way] - 1)

    def has_interfered(self):
        """Returns whether an interference has taken place, as far as the box knows."""
        return not self.interferences or any(self.counts[each.word] for each in self.interferences)

    # ---- chance ----

    def pass_on(self, way, segment, packet=None):
        """Sends a packet on, with random impairments. packet: replaces the segment's own packet."""
        fate = self.fate(way)
        words = [word for word in ("lost", "corrupted", "duplicated", "reordered") if fate[word]]
        self.counts.update(words)
        self.describe(way, segment, " ".join(words))
        if fate["lost"]:
            return
        packet = packet or segment.packet
        if fate["corrupted"]:
            packet = flip_bit(packet, fate["bit"])
        else:
            self.note_delivery(way, segment)
        due = time.monotonic() + self.impairment.delay + self.impairment.jitter * fate["jitter"]
        if fate["reordered"]:
            due += self.impairment.hold
        else:  # never before an earlier one
            due = self.last_due[way] = max(due, self.last_due[way])
        for _ in range(1 + fate["duplicated"]):
            heapq.heappush(self.on_their_way, (due, next(self.numbers), way, packet))
            due += self.impairment.hold * fate["jitter"]

    def fate(self, way):
        """Draws the fate of the next segment of a way. It always draws equally many numbers, so that the n-th
        segment has its own."""
        chance, impairment = self.chances[way], self.impairment
        return {
            "lost": chance.random() < impairment.loss,
            "duplicated": chance.random() < impairment.duplication,
            "reordered": chance.random() < impairment.reordering,
            "corrupted": chance.random() < impairment.corruption,
            "bit": chance.random(),
            "jitter": chance.random(),
        }

    def note_delivery(self, way, segment):
        if not segment.flags & RST:
            end = self.offset(way, segment) + segment.length
            self.delivered[way] = max(self.delivered[way], end)
            self.end_delivered[way] |= bool(segment.flags & FIN)

    def describe(self, way, segment, fate):
        if self.tell:
            seconds = time.monotonic() - self.started_at
            begin = self.offset(way, segment)
            acked = signed(segment.ack - self.first_seq[1 - way] - 1) if segment.flags & ACK else "-"
            self.tell(
                f"{seconds:8.4f} {WAYS[way]:4} {segment.letters:3} {begin}+{segment.length}"
                f" ack {acked} window {segment.window} {fate}".rstrip()
            )


def signed(number):
    """Returns the signed difference of two sequence numbers, which are modulo 2^32."""
    return (number + 2**31) % 2**32 - 2**31


# ---- interferences ----


class Interference:
    """A deliberate fault. meddles() returns whether it has handled the segment, so that the box must not."""

    word = ""

    def meddles(self, box, way, segment):
        raise NotImplementedError


class FirstDropped(Interference):
    """Drops the first `count` segments with a flag in one direction."""

    def __init__(self, flag, way, count):
        self.flag, self.way, self.left = flag, way, count
        self.word = f"{'SYN' if flag == SYN else 'FIN'} dropped"

    def meddles(self, box, way, segment):
        if way != self.way or not segment.flags & self.flag or self.left == 0:
            return False
        self.left -= 1
        return True


class AtByte(Interference):
    """A fault that begins when byte `at` of a stream passes; the FIN counts as the byte after the last."""

    def __init__(self, way, at):
        self.way, self.at = way, at
        self.has_begun = False

    def meddles(self, box, way, segment):
        if not self.has_begun and way == self.way and self.is_there(box, segment):
            self.has_begun = True
            self.begin(box, way, segment)
        return self.has_begun and self.goes_on(box, way, segment)

    def is_there(self, box, segment):
        end = box.offset(self.way, segment) + segment.length + bool(segment.flags & FIN)
        has_something = segment.length > 0 or segment.flags & FIN
        return has_something and not segment.flags & (SYN | RST) and end > self.at

    def begin(self, box, way, segment):
        pass

    def goes_on(self, box, way, segment):
        raise NotImplementedError


class Vanish(AtByte):
    """From that byte on it drops everything: in both directions, or in some."""

    word = "vanished"

    def __init__(self, way, at, ways=(UP, DOWN)):
        super().__init__(way, at)
        self.ways = ways

    def goes_on(self, box, way, segment):
        return way in self.ways


class Cut(AtByte):
    """At that byte both hosts get an RST, and from then on every packet gets one: a firewall that lost its state."""

    word = "reset"

    def begin(self, box, way, segment):
        box.on_their_way.clear()  # otherwise they would arrive after the RST, and move the expected sequence number
        box.deliver(way, reset_to_receiver(segment))

    def goes_on(self, box, way, segment):
        if not segment.flags & RST:
            box.deliver(1 - way, reset_to_sender(segment))
        return True


class Deed(AtByte):
    """At that byte deed() is called once, while the box forwards nothing; the segment with the byte is lost.

    deed() returns whether it could be done yet. If not, it is tried again with a later segment.
    """

    word = "done"

    def __init__(self, way, at, deed):
        super().__init__(way, at)
        self.deed = deed
        self.is_done = False

    def meddles(self, box, way, segment):
        if self.is_done or way != self.way or not self.is_there(box, segment):
            return False
        self.is_done = self.deed()
        return self.is_done


class Forger(AtByte):
    """Changes that byte whenever it passes, and corrects the checksum."""

    word = "forged"

    def goes_on(self, box, way, segment):
        place = self.at - box.offset(way, segment)
        if way != self.way or not 0 <= place < segment.length:
            return False
        box.pass_on(way, segment, forge(segment, place))
        return True
