# SPDX-License-Identifier: MIT
"""An echo server whose processes break one promise. Usage: broken_process.py HOW PORT."""
import os
import select
import signal
import socket
import sys
import time

how, port = sys.argv[1], int(sys.argv[2])
if how == "silent-start":
    time.sleep(60)
if how == "no-start":
    sys.exit("cannot start: reason \x1b[31m")
signal.signal(signal.SIGPIPE, signal.SIG_DFL if how == "dies-of-sigpipe" else signal.SIG_IGN)
listening = socket.socket()
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, how != "no-reuseaddr")
listening.bind(("127.0.0.1", port))
listening.listen(256)


def echo(sock):
    """Echoes until the end. A server that dies of SIGPIPE writes on after the first error."""
    try:
        while piece := sock.recv(1 << 16):
            sock.sendall(piece)
    except OSError:
        if how == "dies-of-sigpipe":
            sock.send(b"once more")


def iterative():
    while True:
        with listening.accept()[0] as sock:
            echo(sock)


def forking():
    """One child for each client. SIGCHLD: what becomes of a child that ends."""
    children = []
    while True:
        sock, _ = listening.accept()
        children.append(os.fork())
        if not children[-1]:
            listening.close()
            echo(sock)
            os._exit(0)
        sock.close()
        if how == "dies-with-child":
            _, status = os.wait()
            if os.WIFSIGNALED(status):
                sys.exit(1)


def event_loop():
    """All clients in one process. A server that leaks keeps its sockets; one that spins tries accept() again."""
    listening.setblocking(False)
    socks, kept = {}, []
    while True:
        for ready in select.select([listening, *socks.values()], [], [])[0]:
            try:
                if ready is listening:
                    sock = listening.accept()[0]
                    sock.setblocking(True)
                    socks[sock.fileno()] = sock
                    continue
                if piece := ready.recv(1 << 16):
                    ready.sendall(piece)
                    continue
            except OSError:
                if ready is listening:
                    continue
            del socks[ready.fileno()]
            if how == "leaks":
                kept.append(os.dup(ready.fileno()))
                ready.shutdown(socket.SHUT_RDWR)
            ready.close()


if how in ("iterative", "dies-of-sigpipe"):
    iterative()
elif how in ("zombies", "dies-with-child"):
    forking()
else:
    event_loop()
