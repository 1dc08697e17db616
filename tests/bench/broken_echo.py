# SPDX-License-Identifier: MIT
"""An echo server that breaks one promise. Usage: broken_echo.py HOW PORT."""
import socket
import sys
import threading


def echo(sock, at):
    """Echoes correctly, except for the byte at that offset."""
    offset = 0
    while piece := bytearray(sock.recv(1 << 16)):
        if at is not None and offset <= at < offset + len(piece):
            piece[at - offset] ^= 1
        offset += len(piece)
        sock.sendall(piece)


def serve(how, sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
    try:
        with sock:
            echo(sock, int(how) if how.isdigit() else None)
    except OSError:
        if how == "fragile":
            listening.close()
            raise SystemExit(1) from None


how, port = sys.argv[1], int(sys.argv[2])
listening = socket.create_server(("127.0.0.1", port), backlog=256)
while True:
    client, _ = listening.accept()
    if how in ("one-at-a-time", "fragile"):
        serve(how, client)
    else:
        threading.Thread(target=serve, args=[how, client], daemon=True).start()
