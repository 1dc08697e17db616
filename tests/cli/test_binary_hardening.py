# SPDX-License-Identifier: MIT
"""How the program was compiled and linked: the binary has the protections that make bugs hard to exploit."""
import platform
import re
import shutil
import subprocess

import pytest


def tool(name, *arguments):
    path = shutil.which(name) or pytest.skip(f"needs {name} (binutils)")
    return subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def headers(program):
    return tool("readelf", "-hlWd", program)


@pytest.fixture(scope="module")
def symbols(program):
    return tool("readelf", "-Ws", program)


def segment(headers, name):
    """Returns the flags of a program header: 'RW', 'R E'."""
    found = re.search(rf"^ +{name}( +0x\w+){{5}} ([RWE ]{{3}}) ", headers, re.MULTILINE)
    return found[2].strip() if found else None


def test_it_lies_at_another_address_each_time(headers):
    assert re.search(r"Type: +DYN", headers)
    assert re.search(r"\(FLAGS_1\).*\bPIE\b", headers)


def test_what_the_loader_has_set_is_read_only_and_set_at_once(headers):
    assert segment(headers, "GNU_RELRO") == "R"
    assert re.search(r"\(FLAGS\) +BIND_NOW|\(FLAGS_1\).*\bNOW\b", headers)


def test_the_stack_cannot_be_executed(headers):
    assert segment(headers, "GNU_STACK") == "RW"


def test_no_memory_is_both_writable_and_executable(headers):
    flags = [found[1] for found in re.finditer(r"^ +LOAD(?: +0x\w+){5} ([RWE ]{3}) ", headers, re.MULTILINE)]
    assert flags
    assert not [flag for flag in flags if "W" in flag and "E" in flag]


def test_there_are_canaries(symbols):
    assert "__stack_chk_fail" in symbols


def test_calls_of_libc_know_how_large_their_buffers_are(symbols, sanitized):
    if sanitized:
        pytest.skip("a sanitizer looks for itself")
    assert "__snprintf_chk" in symbols


@pytest.fixture(scope="module")
def x86():
    if platform.machine() != "x86_64":
        pytest.skip("x86-64 only")


def is_marked(notes):
    return re.search(r"x86 feature:.*\bIBT\b.*\bSHSTK\b", notes) is not None


@pytest.mark.usefixtures("x86")
def test_large_frames_are_probed_page_by_page(program):
    """serve's list of addresses for --ready-fd takes two pages."""
    assert re.search(r"\bor[ql] +\$0x0,.*\(%rsp", tool("objdump", "-d", "--no-show-raw-insn", program))


@pytest.mark.usefixtures("x86")
def test_our_objects_are_marked_for_shadow_stacks_and_indirect_branches(build):
    objects = sorted(build.glob("src/lib*.a.p/*.o"))
    assert len(objects) > 30
    assert [path.name for path in objects if not is_marked(tool("readelf", "-n", path))] == []


@pytest.mark.usefixtures("x86")
def test_the_program_is_marked_where_the_c_library_is(program):
    """One object without the mark makes the linker remove it from the whole program: Debian 12 has such a Scrt1.o."""
    start = tool("cc", "-print-file-name=Scrt1.o").strip()
    if not is_marked(tool("readelf", "-n", start)):
        pytest.skip(f"{start} is not marked")
    assert is_marked(tool("readelf", "-n", program))
