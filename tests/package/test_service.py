# SPDX-License-Identifier: MIT
"""The package's units where systemd is the first process: every confinement setting is in force."""
import ctypes
import json

import pytest

from roots import Booted


UNITS = ["tcpecho.service", "tcpecho-activated.service", "tcpecho-activated.socket"]


@pytest.fixture
def debian(root_only, output):
    root = Booted(output / "booted.tar")
    yield root
    root.remove()


def state(debian, unit):
    said = debian.run("systemctl", "show", "--property=ActiveState,UnitFileState,MainPID,InvocationID", unit)
    return dict(line.split("=", 1) for line in said.splitlines())


def echoes(debian):
    return "1 sent, 1 came back, 0 failed" in debian.run("tcpecho", "ping", "--count", "1")


def journal(debian, unit):
    said = debian.run("journalctl", "--output=json", "--unit", unit)
    return [json.loads(line)["MESSAGE"] for line in said.splitlines()]


def has_landlock():
    """Returns whether this kernel has any version of Landlock, by a query with landlock_create_ruleset(2)."""
    return ctypes.CDLL(None).syscall(444, None, 0, 1) > 0


def test_the_service_from_enabling_to_purging(debian, package, newer):
    debian.install(package)
    assert debian.run("systemd-analyze", "verify", "--man=no", *UNITS) == ""
    fresh = state(debian, "tcpecho.service")
    assert (fresh["ActiveState"], fresh["UnitFileState"]) == ("inactive", "disabled"), "installing opens no port"

    debian.run("systemctl", "enable", "--now", "tcpecho.service")
    assert echoes(debian)
    if has_landlock():
        assert not [line for line in journal(debian, "tcpecho.service") if "running without" in line], "a sandbox, too"
    started = state(debian, "tcpecho.service")

    debian.install(newer)
    upgraded = state(debian, "tcpecho.service")
    assert (upgraded["ActiveState"], upgraded["UnitFileState"]) == ("active", "enabled")
    assert upgraded["InvocationID"] != started["InvocationID"], "what runs is what is installed"
    assert echoes(debian)

    debian.purge()
    assert state(debian, "tcpecho.service")["ActiveState"] == "inactive"


def test_the_socket_outlives_an_upgrade(debian, package, newer):
    debian.install(package)
    debian.run("systemctl", "enable", "--now", "tcpecho-activated.socket")
    assert state(debian, "tcpecho-activated.service")["ActiveState"] == "inactive", "until the first client"
    assert echoes(debian)
    socket = state(debian, "tcpecho-activated.socket")
    service = state(debian, "tcpecho-activated.service")
    assert service["ActiveState"] == "active"

    debian.install(newer)
    assert state(debian, "tcpecho-activated.socket") == socket, "clients wait in its queue"
    assert state(debian, "tcpecho-activated.service")["InvocationID"] != service["InvocationID"]
    assert echoes(debian)

    debian.purge()
    for unit in ("tcpecho-activated.socket", "tcpecho-activated.service"):
        assert state(debian, unit)["ActiveState"] == "inactive"
