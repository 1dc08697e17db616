# SPDX-License-Identifier: MIT
"""The container image: its contents, and that it works where everything that it does not need is forbidden."""
import contextlib
import io
import json
import shutil
import subprocess
import tarfile

import pytest

from containers import UID, Place, Podman
from harness import wait_until

PORT = 9877
NOBODY = 65532

MOST_BYTES = 4_000_000  # libc takes two million of them


@pytest.fixture(scope="module")
def contents(archive):
    """Returns the image's configuration, and the members of all layers with their contents."""
    return read(archive)


def read(archive):
    files = {}
    with tarfile.open(archive) as outer:
        (manifest,) = json.load(outer.extractfile("manifest.json"))
        config = json.load(outer.extractfile(manifest["Config"]))
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(outer.extractfile(layer).read())) as inner:
                files.update({member.name.rstrip("/"): member for member in inner})
    return manifest, config, files


def test_it_is_named_and_described(contents, version):
    manifest, config, _ = contents
    assert set(manifest["RepoTags"]) == {f"localhost/tcpecho:{version}", "localhost/tcpecho:latest"}
    labels = config["config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "tcpecho"
    assert labels["org.opencontainers.image.version"] == version
    assert labels["org.opencontainers.image.licenses"] == "MIT"


def test_it_serves_as_user_nobody_by_default(contents):
    config = contents[1]["config"]
    assert config["User"] == f"{NOBODY}:{NOBODY}"
    assert config["ExposedPorts"] == {f"{PORT}/tcp": {}}
    assert (config["Entrypoint"], config["Cmd"]) == (["tcpecho"], ["serve"])
    assert config["Healthcheck"]["Test"] == ["CMD", "tcpecho", "ping", "-c", "1"]


def test_the_program_and_libc_are_all_that_can_be_run(contents):
    _, _, files = contents
    runnable = {name.rsplit("/", 1)[-1] for name, member in files.items() if member.isfile() and member.mode & 0o111}
    assert {"tcpecho", "libc.so.6"} <= runnable
    assert [name for name in runnable - {"tcpecho", "libc.so.6"} if not name.startswith("ld-linux")] == []
    others = [name for name, member in files.items() if member.isfile() and not member.mode & 0o111]
    assert all(name.startswith("usr/share/doc/") and name.endswith("/copyright") for name in others)


def test_no_file_of_the_image_is_set_user_id_or_writable(contents):
    for name, member in contents[2].items():
        assert member.mode & 0o7000 == 0, f"{name} is set-user-id, set-group-id or sticky"
        assert member.mode & 0o022 == 0, f"{name} can be written to by others than root"
        assert (member.uid, member.gid) == (0, 0)
        assert member.isfile() or member.isdir()


def test_it_is_small(contents, record_property):
    size = sum(member.size for member in contents[2].values())
    record_property("bytes", size)
    assert 500_000 < size < MOST_BYTES


@pytest.fixture(scope="module", params=["root", "user"])
def podman(request, root_only, archive):
    """podman with the loaded image: as root, and as an unprivileged user."""
    with contextlib.ExitStack() as stack:
        place = Place(is_root=request.param == "root")
        stack.callback(place.remove)
        made = Podman(place)
        stack.callback(made.remove)
        made.run("load", "--quiet", "--input", shutil.copy(archive, place.path))
        yield made


def test_an_echo_comes_back_with_no_right_at_all(podman):
    server = podman.serve()
    process = podman.process(server)
    ids = process["Uid"].split()
    assert len(set(ids)) == 1 and ids[0] not in ("0", str(UID))
    assert {process[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (process["NoNewPrivs"], process["Seccomp"]) == ("1", "2")
    assert podman.run(*podman.client_words(server, "talk"), input="hello\n") == "hello\n"
    assert "1 sent, 1 came back, 0 failed" in podman.run(*podman.client_words(server, "ping", "-c", "1"))


@pytest.mark.parametrize("engine", ["fork", "prefork", "thread", "epoll"])
def test_every_engine_works_there_that_needs_no_more(podman, engine):
    server = podman.serve("serve", "--engine", engine)
    assert podman.run(*podman.client_words(server, "talk"), input="hello\n") == "hello\n"


def test_names_are_looked_up(podman):
    """With libc's own resolver: a static program would need its parts from the image."""
    server = podman.serve("serve", f"localhost:{PORT}")
    assert podman.run(*podman.client_words(server, "talk", "localhost"), input="hello\n") == "hello\n"


def test_it_is_healthy_as_long_as_an_echo_comes_back(podman):
    server = podman.serve()
    podman.run("healthcheck", "run", server)
    assert podman.state(server)["Health"]["Status"] == "healthy"


def test_it_is_not_healthy_if_none_comes_back(podman):
    server = podman.serve("serve", "1234")
    assert podman.try_to("healthcheck", "run", server).returncode == 1


def test_stopping_lets_clients_finish(podman):
    server = podman.serve()
    words = podman.words + podman.client_words(server, "talk")
    client = podman.place.start(*words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    client.stdin.write("before\n")
    client.stdin.flush()
    assert client.stdout.readline() == "before\n"
    stop = podman.place.start(*podman.words, "stop", "--time=60", server, stdout=subprocess.DEVNULL)
    wait_until(lambda: "SIGTERM: no new clients; 1 may finish" in podman.logs(server), "the drain")
    rest, _ = client.communicate("after\n", timeout=60)
    assert (rest, client.returncode) == ("after\n", 0)
    assert stop.wait(60) == 0
    assert podman.state(server)["ExitCode"] == 0
    assert "killed=0" in podman.logs(server)


def test_a_user_without_rights_builds_the_same_layer(root_only, output, contents):
    place = Place(is_root=False)
    try:
        for name in ("source", "base.tar"):
            subprocess.run(["cp", "-R", output / name, place.home], check=True)
        subprocess.run(["chown", "-R", f"{UID}:{UID}", place.home], check=True)
        done = place.run(place.home / "source/packaging/build-image.sh", place.home / "source", place.home)
        assert done.returncode == 0, done.stdout + done.stderr
        (built,) = place.home.glob("tcpecho-*-image.tar")
        assert [path.name for path in place.home.glob("images*")] == [f"images-{UID}"], "another user has another"
        assert read(built)[0]["Layers"] == contents[0]["Layers"], "a layer's name is the digest of its bytes"
    finally:
        place.remove()
