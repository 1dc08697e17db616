# SPDX-License-Identifier: MIT
"""Real programs between `tcpecho check` and an echo server, and other echo servers: how to start each."""
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import time

import tcptable
from tools import UNPACKED, tool

# The listening state in /proc/net/tcp.
LISTEN = 0x0A

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
{modules}
events {{ worker_connections 4096; }}
stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{server}; proxy_half_close {half_close}; }} }}
"""
HAPROXY = """
global
    maxconn 4000
defaults
    mode tcp
    timeout connect 5s
    timeout client 1m
    timeout server 1m
listen relay
    bind 127.0.0.1:{port}
    server echo 127.0.0.1:{server}
"""


def is_listening(port):
    return any(sock.local_port == port and sock.state == LISTEN for sock in tcptable.tcp_sockets())


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


class Relays:
    """Starts programs, and ends them at the end of the block. Files are in `folder`; `server` is the echo server's
    port, `port` the one to check. A method raises Missing if its program is not installed."""

    class Missing(Exception):
        """A program is not installed."""

    def __init__(self, stack, folder, server):
        self.stack = stack
        self.folder = folder
        self.server = server
        self.port = free_port()

    def need(self, name):
        path = tool(name)
        if path is None:
            raise self.Missing(f"{name} is not installed")
        return os.path.abspath(path)

    def start(self, port, *command):
        process = self.stack.enter_context(
            subprocess.Popen(
                list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )
        self.stack.callback(process.terminate)
        end = time.monotonic() + 20
        while not is_listening(port):
            if process.poll() is not None or time.monotonic() > end:
                raise OSError(f"{command[0]} does not listen")
            time.sleep(0.02)

    def write(self, name, text, **values):
        path = self.folder / name
        path.write_text(text.format(folder=self.folder, port=self.port, server=self.server, **values))
        return path

    def nginx(self, half_close):
        nginx = self.need("nginx")
        places = [root / "usr/lib/nginx/modules/ngx_stream_module.so" for root in (UNPACKED, pathlib.Path("/"))]
        modules = [path for path in places if path.exists()]
        if not modules:
            raise self.Missing("nginx's stream module is not installed")
        path = self.write("nginx.conf", NGINX, half_close=half_close, modules=f"load_module {modules[0]};")
        self.start(self.port, nginx, "-p", self.folder, "-e", self.folder / "nginx.log", "-c", path)

    def nginx_stream(self):
        self.nginx("off")

    def nginx_stream_half_close(self):
        self.nginx("on")

    def haproxy_tcp(self):
        haproxy = self.need("haproxy")
        self.start(self.port, haproxy, "-q", "-db", "-f", self.write("haproxy.cfg", HAPROXY))

    def socat(self):
        listen = f"TCP-LISTEN:{self.port},bind=127.0.0.1,fork,reuseaddr,backlog=128"
        self.start(self.port, self.need("socat"), listen, f"TCP:127.0.0.1:{self.server}")

    def tcpserver(self):
        self.start(self.port, self.need("tcpserver"), "-RHl0", "-c1000", "-b128", "127.0.0.1", self.port, shutil.which("cat"))


PROGRAMS = {
    "nginx-stream": Relays.nginx_stream,
    "nginx-stream-half-close": Relays.nginx_stream_half_close,
    "haproxy-tcp": Relays.haproxy_tcp,
    "socat": Relays.socat,
    "tcpserver": Relays.tcpserver,
}


@contextlib.contextmanager
def relay(name, folder, server):
    """Starts the program of that name; yields the port to check."""
    with contextlib.ExitStack() as stack:
        relays = Relays(stack, folder, server)
        PROGRAMS[name](relays)
        yield relays.port
