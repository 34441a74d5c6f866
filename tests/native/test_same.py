"""The compiled core does what Python's does: the same values, graphs, errors, to the last bit."""

import re
from pathlib import Path

import pytest

from tests.native.conftest import run_python

PROGRAMS = Path(__file__).with_name("programs.py")


def parts(text):
    """What each program printed, by its name."""
    found = re.split(r"^# (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2]))


@pytest.fixture(scope="module")
def printed(cache):
    compiled = run_python(str(PROGRAMS), ADJOINT_CACHE=cache)
    python = run_python(str(PROGRAMS), ADJOINT_CACHE=cache, ADJOINT_NO_NATIVE="1")
    assert compiled.returncode == 0, compiled.stderr
    assert python.returncode == 0, python.stderr
    assert compiled.stderr.splitlines()[-1] == "core: in"  # use; the last line of the programs
    assert python.stderr.splitlines()[-1] == "core: off"
    return parts(compiled.stdout), parts(python.stdout)


NAMES = re.findall(r"^def (\w+)\(\):", PROGRAMS.read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_program(printed, name):
    compiled, python = printed
    assert len(python[name]) > 1
    assert compiled[name].splitlines() == python[name].splitlines()


def test_nothing_leaks(printed):
    compiled, _ = printed
    assert compiled["nothing_leaks"].strip() == "[True, True, True, True, True, True] True"
    assert compiled["failures_leave_everything"].splitlines()[0] == "True"
