# SPDX-License-Identifier: MIT
"""Spin (spinroot.com): searches every execution of a Promela model and returns what it found.

A search proves nothing if it was cut short, visited no state, or used a switch that the model does not know. Each
of these is an error here."""
import dataclasses
import pathlib
import re
import shutil
import subprocess
import tempfile

STEPS = 1_000_000  # maximum number of steps in one execution: "max search depth too small" if it is not enough
MEMORY_MB = 4096
SECONDS = 600

# Search modes: the options with which Spin's verifier is compiled and run.
SAFETY, ASSERTIONS, CYCLES, LIVENESS = "safety", "assertions", "cycles", "liveness"
MODES = {
    # Assertions, and executions that deadlock.
    SAFETY: (["-DSAFETY", "-DNOCLAIM"], []),
    # Only assertions, for a model that is meant to deadlock.
    ASSERTIONS: (["-DSAFETY", "-DNOCLAIM"], ["-E"]),
    # Executions that loop for ever (no state of any model is marked as progress).
    CYCLES: (["-DNP", "-DNOCLAIM"], ["-l"]),
    # The model's ltl property. A process that can always continue does continue at some time (weak fairness).
    LIVENESS: (["-DNFAIR=4"], ["-a", "-f"]),
}

# Ends a line that only mistakes reach.
EXCUSED = "only a mistake"


class SpinError(Exception):
    """The search proves nothing."""


@dataclasses.dataclass
class Search:
    states: int
    transitions: int
    error: str  # Spin's message, "" if no error was found
    unreached: list  # "file:line: statement"
    story: str = ""  # the execution that leads to the error


def is_installed():
    return shutil.which("spin") is not None


def _run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    return done.returncode, done.stdout + done.stderr


def _must(command, folder):
    status, output = _run(command, folder)
    if status != 0:
        raise SpinError(f"{' '.join(command)}: {output}")
    return output


def switches(model):
    """Returns the names that the model's preprocessor conditions use."""
    conditions = re.findall(r"^#\s*(?:if|ifdef|ifndef|elif)\b(.*)$", pathlib.Path(model).read_text(), re.MULTILINE)
    return {name for line in conditions for name in re.findall(r"[A-Za-z_]\w*", line)} - {"defined"}


def _preprocessed(model, definitions):
    return _must(["cpp", "-P", *definitions, str(model)], ".")


def _check_definitions(model, definitions):
    """Each must have an effect, as a switch or as a value: a misspelt one would not change the model."""
    for definition in definitions:
        others = [other for other in definitions if other != definition]
        another = [*others, f"{definition}_"] if "=" in definition else others
        if _preprocessed(model, definitions) == _preprocessed(model, another):
            raise SpinError(f"{definition} changes nothing in {pathlib.Path(model).name}")


def read_report(report):
    """Reads the verifier's report. Raises SpinError unless every execution was tried, or an error was found."""
    for bad in ("max search depth too small", "Search not completed", "Bit statespace", "bound", "out of memory"):
        found = re.search(f".*{bad}.*", report)
        if found and not (bad == "Search not completed" and "errors: 1" in report):
            raise SpinError(f"the search was cut short: {found.group().strip()}")
    counts = re.search(r"errors: (\d+)\n\s*(\d+) states, stored(?: \((\d+) visited\))?", report)
    transitions = re.search(r"(\d+) transitions", report)
    if "Full statespace search for:" not in report or not counts or not transitions:
        raise SpinError(f"no report of a full search: {report}")
    error = re.search(r"^pan:1: (.*?) \(at depth \d+\)", report, re.MULTILINE)
    if (error is None) != (counts.group(1) == "0"):
        raise SpinError(f"errors without a name: {report}")
    states = int(counts.group(3) or counts.group(2))
    if error is None and states < 10:
        raise SpinError(f"a model of {states} states says nothing")
    return Search(states, int(transitions.group(1)), error.group(1) if error else "", [])


def _unreached(report, model):
    """Returns statements that no execution reached. The end of a process does not count: a server may run for ever."""
    lines = pathlib.Path(model).read_text().splitlines()
    found = []
    for name, number, text in re.findall(r"^\s*(\S+\.pml):(\d+), state \d+, \"(.*)\"", report, re.MULTILINE):
        if text != "-end-" and EXCUSED not in lines[int(number) - 1]:
            found.append(f"{pathlib.Path(name).name}:{number}: {text}")
    return found


def _tidy(replay):
    """Reduces Spin's replay to the steps, the error and the final state."""
    steps, _, rest = replay.partition("spin: trail ends")
    state = [line.strip() for line in re.findall(r"^\t\t(\S.*)$", rest, re.MULTILINE)]
    places = re.findall(r"proc +\d+ \((\w+):\d+\) \S*?(\w+\.pml:\d+)", rest)
    noise = r"^(Never claim|spin: couldn't find claim|ltl |spin: \S+, Error).*\n|^\s*\n"
    return "\n".join(
        [
            re.sub(noise, "", steps, flags=re.MULTILINE).rstrip(),
            "",
            "then: " + ", ".join(line for line in state if not re.search(r"(= (0|NONE)|:)$", line)),
            "at:   " + ", ".join(f"{name} {place}" for name, place in places),
        ]
    )


def search(model, definitions=(), mode=SAFETY, *, small=False, with_story=False):
    """Searches a model. With a story it searches breadth first, or with growing depth, so that the story is short.
    For a small search an optimised verifier takes longer to compile than it saves."""
    model = pathlib.Path(model).resolve()
    _check_definitions(model, list(definitions))
    compiling, running = MODES[mode]
    if with_story:
        compiling = [*compiling, "-DBFS"] if mode == SAFETY else [*compiling, "-DREACH"]
        running = running if mode == SAFETY else [*running, "-i"]
    with tempfile.TemporaryDirectory() as folder:
        _must(["spin", "-a", *definitions, str(model)], folder)
        _must(["gcc", "-O0" if small else "-O1", "-w", f"-DMEMLIM={MEMORY_MB}", *compiling, "-o", "pan", "pan.c"], folder)
        _, report = _run(["./pan", f"-m{STEPS}", *(["-w18"] if small else []), *running], folder)
        found = read_report(report)
        found.unreached = _unreached(report, model)
        if with_story and found.error:
            replay = _must(["spin", "-k", f"{folder}/{model.name}.trail", *definitions, str(model)], folder)
            found.story = f"{_tidy(replay)}\n{found.error}"
    return found
