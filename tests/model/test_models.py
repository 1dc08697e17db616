# SPDX-License-Identifier: MIT
"""The models hold, and find every mistake for which they have a switch. ./dev model prints the counts of the
searches and has larger bounds; docs/MODELS.md names the code that each model stands for."""
import pathlib
import re

import pytest

import spin
from models import MODELS
from run import Runs

# With pytest-xdist: one process runs all searches, as many at once as there are cores.
pytestmark = [pytest.mark.xdist_group("model"), pytest.mark.background]

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "MODELS.md"

CHECKS = [pytest.param(m, c, id=f"{m.name}: {c.what}") for m in MODELS for c in m.checks]
MISTAKES = [pytest.param(m, x, id=f"{m.name}: {x.what}") for m in MODELS for x in m.mistakes]

needs_spin = pytest.mark.skipif(not spin.is_installed(), reason="spin is not installed")


@pytest.fixture(scope="module")
def runs():
    """All searches, begun with the first test: as many at once as there are cores."""
    all_of_them = Runs(length=1)
    yield all_of_them
    all_of_them.stop()


@needs_spin
@pytest.mark.parametrize("model, which", CHECKS)
def test_the_right_model_has_no_error(runs, model, which):
    runs.checks[model, which].result()


@needs_spin
@pytest.mark.parametrize("model", [pytest.param(m, id=m.name) for m in MODELS])
def test_every_statement_of_a_model_is_reached(runs, model):
    """A statement that no execution reaches proves nothing."""
    assert runs.checks[model, model.checks[0]].result().unreached == []


@needs_spin
@pytest.mark.parametrize("model, mistake", MISTAKES)
def test_a_mistake_is_found(runs, model, mistake):
    runs.mistakes[model, mistake].result()


@pytest.mark.parametrize("model", [pytest.param(m, id=m.name) for m in MODELS])
def test_every_switch_of_a_model_is_tried(model):
    known = {mistake.switch for mistake in model.mistakes} | set(model.bounds)
    assert spin.switches(model.path) == known


# ---- the searching itself can fail ----


@pytest.fixture
def model_of(tmp_path):
    """Writes a model."""

    def write(text):
        path = tmp_path / "small.pml"
        path.write_text(text)
        return path

    return write


COUNTING = "byte n; active proctype p() { do :: n < 40 -> n++ :: n >= 40 -> break od; assert(n == LAST) }\n"


@needs_spin
def test_a_search_counts_what_it_visits(model_of):
    found = spin.search(model_of(COUNTING), ["-DLAST=40"])
    assert found.error == "" and found.states > 40 and found.unreached == []


@needs_spin
def test_a_search_finds_the_error_and_its_path(model_of):
    model = model_of('active proctype p() { printf("left\\n"); printf("right\\n"); assert(false == WRONG) }\n')
    found = spin.search(model, ["-DWRONG=true"], with_story=True)
    assert "assertion violated" in found.error
    assert re.search(r"left\s+right\s", found.story)


@needs_spin
def test_a_misspelt_switch_is_an_error(model_of):
    with pytest.raises(spin.SpinError, match="-DLASTT changes nothing"):
        spin.search(model_of(COUNTING), ["-DLAST=40", "-DLASTT"])


@needs_spin
def test_a_model_that_does_nothing_is_an_error(model_of):
    with pytest.raises(spin.SpinError, match="says nothing"):
        spin.search(model_of("active proctype p() { skip }\n"))


@needs_spin
def test_a_model_without_a_process_is_an_error(model_of):
    with pytest.raises(spin.SpinError):
        spin.search(model_of("byte n;\n"))


@needs_spin
def test_a_search_that_is_not_deep_enough_is_an_error(model_of, monkeypatch):
    monkeypatch.setattr(spin, "STEPS", 20)
    with pytest.raises(spin.SpinError, match="cut short"):
        spin.search(model_of(COUNTING), ["-DLAST=40"])


@needs_spin
def test_a_search_without_enough_memory_is_an_error(model_of, monkeypatch):
    monkeypatch.setattr(spin, "MEMORY_MB", 1)
    with pytest.raises(spin.SpinError):
        spin.search(model_of(COUNTING), ["-DLAST=40"])


@needs_spin
def test_an_approximate_search_is_an_error(model_of, monkeypatch):
    monkeypatch.setitem(spin.MODES, spin.SAFETY, (["-DBITSTATE"], []))
    with pytest.raises(spin.SpinError):
        spin.search(model_of(COUNTING), ["-DLAST=40"])


@needs_spin
def test_a_statement_that_is_never_reached_is_reported(model_of):
    found = spin.search(model_of(COUNTING.replace("n >= 40", "n > 50 -> n = 7 :: n == 40")), ["-DLAST=40"])
    assert [line for line in found.unreached if "n = 7" in line]


# ---- the page ----


def row_of(model, which, found):
    bounds = ", ".join(word[2:] for word in which.definitions(1))
    return f"| {model.name} | {which.what} | {bounds} | {found.states:,} | {found.transitions:,} |"


@needs_spin
@pytest.mark.parametrize("model, which", CHECKS)
def test_the_page_has_the_counts(runs, model, which):
    assert row_of(model, which, runs.checks[model, which].result()) in PAGE.read_text().splitlines()


def test_the_functions_that_the_page_names_are_where_it_says():
    """A row in its tables ends with `file.c`: `function()`, ..."""
    named = re.findall(r"`((?:\w+/)+\w+\.[ch])`:((?:[ ,]*`\w+\(\)`)+)", PAGE.read_text())
    assert len(named) > 20
    for file, functions in named:
        text = (ROOT / "src" / file).read_text()
        for function in re.findall(r"`(\w+)\(\)`", functions):
            assert re.search(rf"\b{function}\(", text), f"{file} has no {function}()"


def test_the_page_names_every_mistake():
    page = PAGE.read_text()
    missing = [x.switch for model in MODELS for x in model.mistakes if f"`{x.switch}`" not in page]
    assert missing == []
