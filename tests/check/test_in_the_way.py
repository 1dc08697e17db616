# SPDX-License-Identifier: MIT
"""`check` through real proxies: exactly these checks do not pass, and the profile of the proxy accepts them."""
import json
import subprocess

import pytest

import relays
from harness import TIMEOUT

# They measure times or the load of the machine, or take many seconds.
SKIP = "first-byte,small-writes,lock-step,terminated,connect,isolation,port-reuse,half-close-late"

# "proxy_half_close off" closes both connections at the client's FIN.
CUT = dict.fromkeys(["half-close", "fin-with-data", "tail"], "FAIL")
# These programs read the urgent byte out of the stream, and do not send it on.
URGENT = {"urgent": "WARN"}

VERDICTS = {
    "nginx-stream": CUT | URGENT,
    "nginx-stream-half-close": URGENT,
    "haproxy-tcp": URGENT,
    "socat": URGENT,
    "tcpserver": URGENT,
}
WITHOUT_PROFILE = ["tcpserver"]


def not_passed(program, port):
    command = [program, "check", "--skip", SKIP, "--timeout", "2s", "--format", "json", "127.0.0.1", str(port)]
    done = subprocess.run(command, capture_output=True, timeout=3 * TIMEOUT)
    assert done.returncode in (0, 1), done.stderr
    checks = json.loads(done.stdout)["checks"]
    return done.returncode, {check["name"]: check["verdict"] for check in checks if check["verdict"] != "PASS"}


@pytest.mark.parametrize("name", VERDICTS)
def test_exactly_these_checks_do_not_pass(program, serve, tmp_path, name):
    expected = VERDICTS[name]
    server = serve("127.0.0.1:0", engine="epoll")
    try:
        with relays.relay(name, tmp_path, server.port) as port:
            assert not_passed(program, port) == (int("FAIL" in expected.values()), expected)
            if name not in WITHOUT_PROFILE:
                few = ["--only", ",".join(expected)]
                status = subprocess.run(
                    [program, "check", *few, "--timeout", "2s", "--expect", name, "127.0.0.1", str(port)],
                    capture_output=True, timeout=3 * TIMEOUT,
                ).returncode
                assert status == 0
    except relays.Relays.Missing as missing:
        pytest.skip(str(missing))
