# SPDX-License-Identifier: MIT
"""The manifests of examples/scale/kubernetes: they match the API, and what they describe works.

There is no cluster: the test does for a pod what its manifest describes, on a separate machine.
"""
import copy
import datetime
import json
import os
import re
import signal
import subprocess

import pytest

from harness import TIMEOUT, Server, proc_text, server_words, wait_until
from machines import why_impossible
from tools import ROOT

manifests = pytest.importorskip("manifests", reason="python3-yaml is not installed")

FOLDER = ROOT / "examples" / "scale" / "kubernetes"


@pytest.fixture(scope="module")
def client():
    """The module kubernetes.client. Its import takes longer than the collection of all tests of a folder."""
    return pytest.importorskip("kubernetes.client", reason="python3-kubernetes is not installed")


def documents(name):
    return manifests.read((FOLDER / name).read_text())


def named(kind):
    everything = documents("serve.yaml") + documents("bench.yaml")
    return next(document for document in everything if document["kind"] == kind)


def pod_of(kind):
    return named(kind)["spec"]["template"]["spec"]


def container_of(kind):
    (container,) = pod_of(kind)["containers"]
    return container


# ---- what the API asks for ----


@pytest.mark.parametrize("kind", ["Deployment", "Service", "PodDisruptionBudget", "Job"])
def test_a_manifest_is_valid(kind, client):
    manifests.validate(named(kind), client)


BREAKS = {
    "an unknown field": lambda pod: pod["containers"][0].update(readynessProbe={}),
    "a field in the wrong place": lambda pod: pod.update(readOnlyRootFilesystem=True),
    "a number for a text": lambda pod: pod["containers"][0]["args"].append(1),
    "a text for a number": lambda pod: pod["securityContext"].update(runAsUser="65532"),
    "a text for a yes or no": lambda pod: pod["securityContext"].update(runAsNonRoot="true"),
    "one for a list": lambda pod: pod.update(containers=pod["containers"][0]),
    "a container without a name": lambda pod: pod["containers"][0].pop("name"),
    "no containers": lambda pod: pod.pop("containers"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_mistake_is_found(what, client):
    document = copy.deepcopy(named("Deployment"))
    BREAKS[what](document["spec"]["template"]["spec"])
    with pytest.raises(ValueError, match="Deployment"):
        manifests.validate(document, client)


def test_a_mistake_in_a_field_that_is_newer_than_the_api_is_found(client):
    document = copy.deepcopy(named("Job"))
    document["spec"]["backoffLimitPerIndex"] = "0"
    with pytest.raises(ValueError, match="backoffLimitPerIndex"):
        manifests.validate(document, client)


def test_a_key_twice_and_a_kind_that_there_is_not_are_found(client):
    with pytest.raises(ValueError, match="twice"):
        manifests.read("spec: {a: 1, a: 2}")
    with pytest.raises(ValueError, match="no Deploiment"):
        manifests.validate({"apiVersion": "apps/v1", "kind": "Deploiment"}, client)


# ---- what goes together ----


def test_the_service_and_the_budget_are_of_the_pods():
    labels = named("Deployment")["spec"]["template"]["metadata"]["labels"]
    for selector in (
        named("Deployment")["spec"]["selector"]["matchLabels"],
        named("Service")["spec"]["selector"],
        named("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    assert named("PodDisruptionBudget")["spec"]["minAvailable"] < named("Deployment")["spec"]["replicas"]
    ports = {port["name"]: port["containerPort"] for port in container_of("Deployment")["ports"]}
    (port,) = named("Service")["spec"]["ports"]
    assert ports[port["targetPort"]] == port["port"] == 9877
    assert container_of("Job")["args"][-1] == named("Service")["metadata"]["name"]


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_a_pod_may_do_nothing_that_it_need_not(kind):
    pod, container = pod_of(kind), container_of(kind)
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }
    assert {"requests", "limits"} <= set(container["resources"])


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_the_image_is_the_one_that_is_built_and_is_not_looked_for_if_a_node_has_it(kind):
    build = (ROOT / "packaging" / "build-image.sh").read_text()
    name = re.search(r"docker-archive:\S+:([\w./-]+):\$version", build)[1]
    version = re.search(r"^  version: '(.*)',$", (ROOT / "meson.build").read_text(), re.MULTILINE)[1]
    assert container_of(kind)["image"] == f"{name}:{version}"
    assert container_of(kind)["imagePullPolicy"] == "IfNotPresent"


def test_a_load_that_fails_ends_no_other():
    job = named("Job")["spec"]
    assert job["backoffLimitPerIndex"] == 0 and "backoffLimit" not in job
    # otherwise the annotation may be missing
    assert job["completionMode"] == "Indexed" and pod_of("Job")["restartPolicy"] == "Never"


def option_of(arguments, name):
    return arguments[arguments.index(name) + 1]


def seconds_of(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


def test_a_pod_that_is_ended_gets_the_time_that_it_needs():
    container = container_of("Deployment")
    before_stop = container["lifecycle"]["preStop"]["exec"]["command"]
    waits = (int(option_of(before_stop, "-c")) - 1) * seconds_of(option_of(before_stop, "-i"))
    drains = seconds_of(option_of(container["args"], "--drain-timeout"))
    assert waits >= 5
    assert pod_of("Deployment")["terminationGracePeriodSeconds"] > waits + drains + 1


# ---- what is done ----

RIGHTS = ["setpriv", "--reuid", "65532", "--regid", "65532", "--clear-groups", "--no-new-privs",
          "--bounding-set", "-all", "--inh-caps", "-all"]


class Pod:
    """A machine with the contents of the image: the program, and no writable files."""

    def __init__(self, network, program, name, number, kind):
        self.container, self.env = container_of(kind), {}
        self.machine = network.machine(name, number)
        self.machine.run("install", "-D", program, "/run/bin/tcpecho")
        self.machine.run("mount", "-o", "remount,ro", "/run")

    def command(self, words):
        return [*RIGHTS, "env", "-i", "PATH=/run/bin", *(f"{k}={v}" for k, v in self.env.items()), *words]

    def execute(self, words, **more):
        """Runs a command as `exec` in a manifest does."""
        return self.machine.run(*self.command(words), check=False, **more)


@pytest.fixture
def pods(network, program, sanitized):
    reason = why_impossible("setpriv", "install") or (sanitized and "a sanitizer needs its own libraries and files")
    if reason:
        pytest.skip(reason)
    return lambda *arguments: Pod(network, program, *arguments)


@pytest.fixture
def service(pods, tmp_path):
    """One pod of the Deployment, as a Server."""
    pod = pods("serve", 30, "Deployment")
    # Its process enters the machine from outside, so that it can be signalled from here.
    prefix = [*pod.machine.network, "--mount", *RIGHTS]
    server = Server("/run/bin/tcpecho", tmp_path, pod.container["args"][1:], prefix=prefix, engine=None)
    yield pod, server
    server.kill()


def test_the_deployments_server_runs_with_those_rights_and_its_probes_find_it_well(service):
    pod, server = service
    status = proc_text(server.pid, "status")
    assert re.search(r"^Uid:\t65532\t65532", status, re.MULTILINE)
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE) and re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
    for probe in ("readinessProbe", "livenessProbe"):
        assert pod.execute(pod.container[probe]["exec"]["command"]).returncode == 0
    # A stopped server is not ready: its reply does not come in time.
    server.stop_all()
    assert pod.execute(pod.container["readinessProbe"]["exec"]["command"]).returncode == 1
    server.continue_all()
    # preStop waits, then TERM starts the drain.
    assert pod.execute(pod.container["lifecycle"]["preStop"]["exec"]["command"]).returncode == 0
    assert server.end(signal.SIGTERM) == 0


# The Job runs at the first query, and then is in its last state.
FAKE_KUBECTL = """#!/bin/sh
case "$1 $2" in
"get job") [ ! -e "$0.asked" ] || echo {state}; touch "$0.asked" ;;
"get pods") printf 'pod/%s\\n' {pods} ;;
"logs "*) cat "{directory}/${{2#pod/}}" ;;
esac
"""


def test_the_jobs_pods_begin_together_and_are_added_up(network, pods, service, program, tmp_path):
    _, server = service
    three = [pods(f"bench-{index}", 40 + index, "Job") for index in range(3)]
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=7)
    text = (FOLDER / "bench.yaml").read_text().replace("START-AT", moment.strftime("%Y-%m-%dT%H:%M:%SZ"), 2)
    (job,) = manifests.read(text)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    logs, running = tmp_path / "logs", []
    logs.mkdir()
    assert job["spec"]["completions"] == len(three)
    for index, pod in enumerate(three):
        pod.env = {item["name"]: item.get("value", str(index)) for item in container["env"]}
        (pod.machine.home / "hosts").write_text("192.0.2.30 tcpecho\n")
        pod.machine.run("mount", "--bind", pod.machine.home / "hosts", "/etc/hosts")
        words = ["tcpecho", *shortened(container["args"])]
        with (logs / f"bench-{index}").open("wb") as log:  # both output streams, as in a container
            running.append(subprocess.Popen([*pod.machine.inside, *pod.command(words)], stdout=log, stderr=log))
    assert [process.wait(TIMEOUT) for process in running] == [0, 0, 0]

    results = tmp_path / "results"
    collect(tmp_path, program, logs, results, "SuccessCriteriaMet Complete", status=0)
    whole = json.loads((results / "merged.json").read_text())
    single = [json.loads((results / f"bench-{index}.json").read_text()) for index in range(3)]
    assert whole["merged"] == 3 and whole["bytes"] == sum(one["bytes"] for one in single) > 0
    assert [one["seed"] for one in single] == [0, 1, 2]
    assert whole["start_wanted"] == moment.strftime("%Y-%m-%dT%H:%M:%S.000000000Z")
    wait_until(lambda: server.totals()["clients"] == 0, "all to be gone")
    assert server.totals()["in"] == server.totals()["out"] >= whole["bytes"]  # the warm-up counts too


def shortened(arguments):
    """Returns the same arguments with a short duration."""
    assert option_of(arguments, "-d") == "30s"
    return [{"30s": "300ms", "64": "8"}.get(word, word) for word in arguments]


def test_of_a_job_that_failed_every_result_counts_and_a_pod_without_one_is_named(program, server, tmp_path):
    logs, results = tmp_path / "logs", tmp_path / "results"
    logs.mkdir()
    found = {"well": ([], 0), "slow": (["--max-p99", "1ns"], 1), "late": (["--start-at", "@1"], 2)}
    for seed, (name, (options, status)) in enumerate(found.items()):
        words = ["--json", "-q", "-d", "100ms", "--warmup", "0", "--seed", str(seed), *options, *server_words(server)]
        with (logs / name).open("wb") as log:
            done = subprocess.run([program, "bench", *words], stdout=log, stderr=log, timeout=TIMEOUT, check=False)
        assert done.returncode == status
    error = collect(tmp_path, program, logs, results, "FailureTarget Failed", status=1)
    assert error == "pod/late has no result: tcpecho: --start-at @1: is in the past, by this machine's clock\n"
    single = [json.loads((results / f"{name}.json").read_text()) for name in ("well", "slow")]
    whole = json.loads((results / "merged.json").read_text())
    assert whole["merged"] == 2 and whole["echoes"] == sum(one["echoes"] for one in single) > 0
    assert not (results / "late.json").exists()
    assert "the 99th percentile is" in (results / "slow.log").read_text()


def collect(tmp_path, program, logs, results, state, status):
    """Runs the recipe. state: the conditions of the Job that are true at its end."""
    kubectl = tmp_path / "kubectl"
    names = " ".join(sorted(os.listdir(logs)))
    kubectl.write_text(FAKE_KUBECTL.format(state=state, pods=names, directory=logs))
    kubectl.chmod(0o755)
    done = subprocess.run(
        [FOLDER / "collect.sh", results], env={**os.environ, "KUBECTL": str(kubectl), "TCPECHO": program},
        capture_output=True, text=True, timeout=TIMEOUT,
    )
    assert done.returncode == status, done.stderr
    assert "echoes in" in done.stdout
    return done.stderr
