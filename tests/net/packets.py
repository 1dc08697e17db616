# SPDX-License-Identifier: MIT
"""TCP segments in IPv4 (RFC 791) and IPv6 (RFC 8200) packets: read, changed, made."""
import struct
from typing import NamedTuple

TCP = 6
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
LETTERS = ((SYN, "S"), (FIN, "F"), (RST, "R"), (0x08, "P"), (ACK, "."))

TCP_HEADER = 20  # without options


class Segment(NamedTuple):
    """One TCP segment and the packet that it came in."""

    packet: bytes
    header: int  # offset of the TCP header in the packet
    payload: int  # offset of the payload
    seq: int
    ack: int
    flags: int
    window: int  # as in the header, unscaled

    @property
    def length(self):
        """Number of payload bytes."""
        return len(self.packet) - self.payload

    @property
    def letters(self):
        """Returns the flags as tcpdump writes them."""
        return "".join(letter for flag, letter in LETTERS if self.flags & flag)


def parse(packet):
    """Returns the TCP segment in a packet, or None if it has no TCP segment."""
    version = packet[0] >> 4
    protocol = packet[9] if version == 4 else packet[6]
    if protocol != TCP:
        return None
    header = (packet[0] & 0x0F) * 4 if version == 4 else 40
    _, _, seq, ack, size, flags, window = struct.unpack_from("!HHIIBBH", packet, header)
    return Segment(packet, header, header + (size >> 4) * 4, seq, ack, flags, window)


def ones_complement_sum(data):
    """The checksum of RFC 1071."""
    data = bytes(data) + bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def set_checksum(packet, header):
    """Writes the correct checksum into the TCP header of a bytearray."""
    addresses = packet[12:20] if packet[0] >> 4 == 4 else packet[8:40]
    packet[header + 16 : header + 18] = bytes(2)
    pseudo_header = bytes(addresses) + struct.pack("!II", len(packet) - header, TCP)
    packet[header + 16 : header + 18] = struct.pack("!H", ones_complement_sum(pseudo_header + packet[header:]))


def flip_bit(packet, place):
    """Returns the packet with one bit flipped, at a place from 0 to 1, where a checksum must detect it.

    In IPv4 that is anywhere. IPv6 has no header checksum: TCP's covers everything from the addresses on.
    """
    first = 0 if packet[0] >> 4 == 4 else 8
    changed = bytearray(packet)
    bit = int(place * 8 * (len(packet) - first))
    changed[first + bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def forge(segment, place):
    """Returns the packet with one payload byte changed and a valid checksum."""
    changed = bytearray(segment.packet)
    changed[segment.payload + place] ^= 0x20
    set_checksum(changed, segment.header)
    return bytes(changed)


def reset_to_receiver(segment):
    """Returns an RST to the receiver of a segment, from its sender's address, with exactly the expected sequence
    number."""
    source, destination = struct.unpack_from("!HH", segment.packet, segment.header)
    return bare(segment, False, (source, destination), segment.seq, segment.ack, RST | ACK)


def reset_to_sender(segment):
    """Returns the RST that a host without such a connection sends as the answer to a segment (RFC 9293 3.5.2)."""
    source, destination = struct.unpack_from("!HH", segment.packet, segment.header)
    return bare(segment, True, (destination, source), segment.ack, 0, RST)


def bare(segment, backwards, ports, seq, ack, flags):
    """Returns a segment without options and payload, between the hosts of another segment."""
    tcp = struct.pack("!HHIIBBHHH", *ports, seq, ack, TCP_HEADER // 4 << 4, flags, 0, 0, 0)
    old = segment.packet
    if old[0] >> 4 == 4:
        ends = old[16:20] + old[12:16] if backwards else old[12:20]
        fixed = struct.pack("!BBHHHBB", 0x45, 0, 20 + TCP_HEADER, 0, 0x4000, 64, TCP)
        ip = fixed + struct.pack("!H", ones_complement_sum(fixed + bytes(2) + ends)) + ends
    else:
        ends = old[24:40] + old[8:24] if backwards else old[8:40]
        ip = struct.pack("!IHBB", 6 << 28, TCP_HEADER, TCP, 64) + ends
    packet = bytearray(ip + tcp)
    set_checksum(packet, len(ip))
    return bytes(packet)
