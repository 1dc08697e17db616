# SPDX-License-Identifier: MIT
"""No client can harm the server or another client. When the server ends a connection, every byte that it echoed
still arrives, followed by a FIN."""
import collections
import contextlib
import signal
import socket

import pytest

from harness import TIMEOUT, anonymous_kib, recv_exactly, reset, rss_kib
from shortages import all_descriptors_at_rest, watch_it_wait
from signalling import stopped
from streams import Writer, fill, pattern, recv_until_clean_end

MEGABYTE = 1 << 20

# More than the kernel's buffers hold between a client that never reads and a server that stops reading.
MORE_THAN_FITS = 64 * MEGABYTE

# Allowed growth of a process, whatever its clients do.
ROOM_TO_MOVE_KIB = 1024


def name_of(sock):
    """The client as the log calls it."""
    return "{}:{}".format(*sock.getsockname())


def converse(sock, data=b"still served?\n"):
    """One message there and back."""
    sock.sendall(data)
    assert recv_exactly(sock, len(data)) == data


@pytest.fixture
def unsanitized(sanitized):
    """Skips tests of memory under a sanitizer."""
    if sanitized:
        pytest.skip("a sanitizer keeps books in the memory of the program, and what was freed too")


# ---- resets ----


def test_clients_that_reset_before_they_are_accepted_are_logged_by_their_address(server):
    names = set()
    with server.accept_paused():
        for _ in range(10):
            sock = server.connect()
            names.add(name_of(sock))
            reset(sock)
    assert {(end["peer"], end["reason"]) for end in server.ends(10)} == {(name, "reset") for name in names}
    assert server.is_faithful()


def test_a_client_that_resets_while_it_is_waited_for_harms_no_other(server):
    with server.connect() as other:
        converse(other)
        sock = server.connect()
        converse(sock, b"five\n")
        reset(sock)
        (end,) = server.ends(1)
        assert (end["in"], end["out"], end["reason"]) == ("5", "5", "reset")
        converse(other)


@pytest.mark.parametrize("half_close", [False, True], ids=["at once", "after its FIN"])
def test_a_client_that_resets_while_its_bytes_are_unread_harms_no_other(server, half_close):
    with server.connect() as other:
        converse(other)
        sock = server.connect()
        converse(sock, b"five\n")
        with stopped(server.process_of(sock)):
            sock.sendall(bytes(1000))
            if half_close:
                # now a send to it fails with EPIPE and raises SIGPIPE, unless that is ignored
                sock.shutdown(socket.SHUT_WR)
            reset(sock)
        (end,) = server.ends(1)
        assert (end["in"], end["out"], end["reason"]) == ("1005", "5", "reset")
        converse(other)


def test_a_client_that_resets_while_its_buffer_is_full_harms_no_other(server):
    with server.connect() as other:
        converse(other)
        sock = server.connect()
        fill(sock, bytes(MORE_THAN_FITS))
        reset(sock)
        assert server.ends(1)[0]["reason"] == "reset"
        converse(other)


def test_a_client_that_resets_with_its_echo_unread_harms_no_other(server):
    with server.connect() as other:
        converse(other)
        for _ in range(50):
            sock = server.connect()
            sock.sendall(bytes(100_000))
            reset(sock)
        server.ends(50)
        converse(other)
    assert server.totals()["killed"] == 0


def reset_at_once(sock):
    reset(sock)


def reset_after_sending(sock):
    sock.sendall(b"lost")
    reset(sock)


def reset_after_an_echo(sock):
    converse(sock)
    reset(sock)


def test_ten_thousand_resets_leave_nothing_behind_and_others_are_served(server):
    batch, batches = 500, 20
    ways = [reset_at_once, reset_after_sending, reset_after_an_echo]
    before = all_descriptors_at_rest(server)
    with server.connect() as other:
        converse(other)
        for _ in range(batches):
            for number in range(batch):
                ways[number % len(ways)](server.connect())
            converse(other)
            # Served after all clients of the batch: so at most one batch is in the accept queue.
            assert server.is_faithful()
        served = batches * (batch + 1)
        assert len(server.ends(served)) == served
        assert server.totals()["clients"] == 1
    server.wait_for_rest()
    totals = server.totals()
    assert (totals["clients"], totals["accepted"], totals["ended"]) == (0, served + 1, served + 1)
    assert totals["killed"] == 0
    reasons = collections.Counter(end["reason"] for end in server.ends())
    assert reasons == {"reset": batches * batch, "eof": batches + 1}
    assert all_descriptors_at_rest(server) == before


# ---- leaks ----


def serve_many(server, count):
    for _ in range(count):
        with server.connect() as sock:
            converse(sock)


def test_ten_thousand_conversations_cost_no_descriptor(server):
    serve_many(server, 1)
    before = all_descriptors_at_rest(server)
    serve_many(server, 9_999)
    server.ends(10_000)
    assert all_descriptors_at_rest(server) == before
    assert server.totals()["clients"] == 0


def test_conversations_that_ended_cost_no_memory(server, unsanitized):
    # events have filled a worker's ring once, 512 of 72 bytes (server/workers/worker_pool.c)
    serve_many(server, 1_200)
    server.ends(1_200)
    before = [anonymous_kib(pid) for pid in server.lasting_processes()]
    serve_many(server, 2_000)
    server.ends(3_200)
    after = [anonymous_kib(pid) for pid in server.lasting_processes()]
    # prefork starts more workers when clients come before others have been counted out.
    assert len(after) == len(before) or server.engine == "prefork"
    if server.has_workers:  # a worker's first client brings it to the memory of workers that had clients before
        before = [before[0]] + [max(before[1:])] * len(after[1:])
    more = 256 if server.engine == "thread" else 64  # the C library keeps some stacks for later threads
    assert all(now <= memory + more for now, memory in zip(after, before)), f"{before} KiB became {after} KiB"


# ---- a client that never reads ----


def test_a_client_that_never_reads_is_held_up_and_misses_nothing_when_it_reads_at_last(server):
    data = pattern(MORE_THAN_FITS)
    with server.connect() as sock:
        writer = Writer(sock, data, half_close=True)
        assert writer.wait_until_stuck() < len(data), "the client was not held up"
        watch_it_wait(server)
        assert server.is_faithful()
        assert recv_exactly(sock, len(data)) == data
        writer.finish()
        assert sock.recv(1) == b""
    assert [end["reason"] for end in server.ends(2)] == ["eof", "eof"]


def test_a_client_that_never_reads_costs_a_fixed_amount_of_memory(server, unsanitized):
    with server.connect() as sock:
        converse(sock)
        processes = server.processes()
        before = [rss_kib(pid) for pid in processes]
        assert fill(sock, bytes(MORE_THAN_FITS)) > MEGABYTE
        for pid, memory in zip(processes, before):
            assert rss_kib(pid) <= memory + ROOM_TO_MOVE_KIB


# ---- the lingering close ----


def assert_every_echoed_byte_arrived(end, reason, received, data, sent):
    assert end["reason"] == reason
    assert received == data[: len(received)]
    assert (int(end["in"]), int(end["out"])) == (sent, len(received))


def test_an_idle_client_with_bytes_unread_and_arriving_gets_every_echoed_byte_then_a_fin(serve):
    server = serve("--idle-timeout", "4s", "127.0.0.1:0")
    data = pattern(MORE_THAN_FITS)
    with server.connect() as sock:
        # Neither end reads, so both directions stand still until the server ends the connection. From then on it
        # discards what arrives: the rest can be sent, and the echo can still be read.
        stuck_at = fill(sock, data)
        sent = min(stuck_at + MEGABYTE, len(data))
        Writer(sock, data[stuck_at:sent]).finish()
        received = recv_until_clean_end(sock)
    (end,) = server.ends(1)
    assert_every_echoed_byte_arrived(end, "idle", received, data, sent)
    assert len(received) > MEGABYTE, "too little was on its way for this to mean anything"


def test_a_drained_client_with_bytes_unread_and_arriving_gets_every_echoed_byte_then_a_fin(serve):
    server = serve("--drain-timeout", "100ms", "127.0.0.1:0")
    data = pattern(MORE_THAN_FITS)
    with server.connect() as sock:
        stuck_at = fill(sock, data)
        sent = stuck_at + MEGABYTE
        writer = Writer(sock, data[stuck_at:sent])
        server.send(signal.SIGTERM)
        writer.finish()
        received = recv_until_clean_end(sock)
    (end,) = server.ends(1)
    assert_every_echoed_byte_arrived(end, "drain", received, data, sent)
    assert len(received) > MEGABYTE, "too little was on its way for this to mean anything"
    assert server.wait() == 1


def test_a_client_that_reads_late_gets_every_echoed_byte_after_its_process_has_ended(serve):
    server = serve("--drain-timeout", "100ms", "127.0.0.1:0")
    data = pattern(MORE_THAN_FITS)
    with server.connect() as sock:
        sent = fill(sock, data)
        server.send(signal.SIGTERM)
        assert server.wait() == 1
        received = recv_until_clean_end(sock)
    (end,) = server.ends(1)
    assert_every_echoed_byte_arrived(end, "drain", received, data, sent)


def test_a_client_that_never_stops_sending_cannot_keep_the_server_from_ending(serve):
    server = serve("--drain-timeout", "100ms", "127.0.0.1:0")
    with server.connect() as sock:
        converse(sock)
        writer = Writer(sock, bytes(MEGABYTE), again_and_again=True)
        server.send(signal.SIGTERM)
        with contextlib.suppress(ConnectionResetError):  # it did not end, so it is reset at last
            while sock.recv(MEGABYTE):
                pass
        assert server.wait() == 1
        writer.join(TIMEOUT)
        assert isinstance(writer.error, (ConnectionResetError, BrokenPipeError))
    assert server.ends(1)[0]["reason"] == "drain"


def test_a_lingering_process_notices_that_the_server_ends(serve):
    server = serve("--idle-timeout", "100ms", "--drain-timeout", "100ms", "127.0.0.1:0")
    with server.connect() as sock:
        assert recv_until_clean_end(sock) == b""  # idle; the server lingers, because this client does not end
        server.send(signal.SIGTERM)
        server.wait()
    assert server.ends(1)[0]["reason"] == "idle"
