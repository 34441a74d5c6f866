"""Building, finding, refusing and removing the compiled core and the compiled kernels."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from adjoint.array.native.library import cache_folder
from tests.native.conftest import run_python

# Each library: the beginning of its files' names, and a program that says what became of it.
LIBRARIES = {
    "adjoint_native-*": "from adjoint.core.native import core, library\n"
    "print(core is not None, library.state())",
    "adjoint_kernels-*": "from adjoint.array.native import kernels, library\n"
    "print(kernels() is not None, library.state())",
}
both = pytest.mark.parametrize(("files", "state"), LIBRARIES.items())


@both
def test_it_is_used_once_it_is_built(cache, files, state):
    done = run_python("-c", state, ADJOINT_CACHE=cache)
    assert done.stdout.startswith(f"True in use ({cache}")
    assert run_python("-m", "adjoint", ADJOINT_CACHE=cache).stdout.count("compiled: in use") == 2


@both
def test_without_a_build_there_is_none(tmp_path, files, state):
    assert run_python("-c", state, ADJOINT_CACHE=str(tmp_path)).stdout == "False not built\n"
    nowhere = str(tmp_path / "nowhere")
    assert run_python("-c", state, ADJOINT_CACHE=nowhere).stdout == "False not built\n"
    assert not Path(nowhere).exists()


@both
def test_a_variable_refuses_it(cache, files, state):
    done = run_python("-c", state, ADJOINT_CACHE=cache, ADJOINT_NO_NATIVE="1")
    assert done.stdout == "False off (ADJOINT_NO_NATIVE is set)\n"
    assert run_python("-c", state, ADJOINT_CACHE=cache, ADJOINT_NO_NATIVE="0").stdout[:4] == "True"


@both
def test_a_library_of_other_sources_is_never_loaded(cache, tmp_path, files, state):
    (built,) = Path(cache).glob(files)
    tag, dot, rest = built.name.partition(".")
    shutil.copy(built, tmp_path / f"{tag[:-1]}_{dot}{rest}")
    assert run_python("-c", state, ADJOINT_CACHE=str(tmp_path)).stdout == "False not built\n"


@both
def test_a_broken_library_is_passed_over_and_named(cache, tmp_path, files, state):
    (built,) = Path(cache).glob(files)
    (tmp_path / built.name).write_bytes(b"no library")
    done = run_python("-c", state, ADJOINT_CACHE=str(tmp_path))
    assert done.stdout.startswith("False cannot be loaded: ") and not done.stderr


def test_removing(cache, tmp_path):
    for built in Path(cache).iterdir():
        shutil.copy(built, tmp_path)
    (tmp_path / "adjoint_native-0123.so").touch()
    (tmp_path / "of somebody else").touch()
    done = run_python("-m", "adjoint", "build", "--remove", ADJOINT_CACHE=str(tmp_path))
    assert done.returncode == 0 and done.stdout.startswith("removed 3 built libraries;")
    assert [p.name for p in tmp_path.iterdir()] == ["of somebody else"]


def test_without_a_compiler(tmp_path):
    python = Path(sys.executable).parent
    done = run_python(
        "-c",
        "import sysconfig; sysconfig.get_config_vars()['CC'] = 'no-such-compiler'\n"
        "from adjoint.cli import main; raise SystemExit(main(['build']))",
        ADJOINT_CACHE=str(tmp_path / "cache"),
        PATH=str(python),
        CC="no-such-compiler",
    )
    if shutil.which("cc", path=str(python)) or shutil.which("gcc", path=str(python)):
        pytest.skip("the compiler lies beside Python here")
    assert done.returncode == 1
    assert done.stderr.startswith("adjoint build: no C compiler was found: install one")
    assert not (tmp_path / "cache").exists()


def test_a_compiler_that_fails_leaves_nothing(tmp_path):
    compiler = tmp_path / "broken"
    compiler.write_text("#!/bin/sh\necho 'this is broken' >&2\nexit 3\n")
    compiler.chmod(0o755)
    folder = tmp_path / "cache"
    done = run_python("-m", "adjoint", "build", ADJOINT_CACHE=str(folder), CC=str(compiler))
    assert done.returncode == 1
    assert "failed:\nthis is broken" in done.stderr and "Traceback" not in done.stderr
    assert list(folder.iterdir()) == []


def test_what_does_not_work_is_thrown_away(tmp_path):
    compiler = tmp_path / "strange"
    compiler.write_text('#!/bin/sh\nfor last; do :; done\necho "no library" > "$last"\n')
    compiler.chmod(0o755)
    folder = tmp_path / "cache"
    done = run_python("-m", "adjoint", "build", ADJOINT_CACHE=str(folder), CC=str(compiler))
    assert done.returncode == 1
    assert done.stderr.startswith("adjoint build: what was built does not work with this Python")
    assert list(folder.iterdir()) == []


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    done = run_python("-m", "adjoint", "build", ADJOINT_CACHE=str(tmp_path / "file" / "cache"))
    assert done.returncode == 1
    assert done.stderr.startswith("adjoint build: ") and "Traceback" not in done.stderr


def test_a_walk_can_be_interrupted(cache):
    program = """
import os, signal, threading
import adjoint as torch
x = torch.ones(50, requires_grad=True)
y = x
for _ in range(300_000):
    y = y * 1.0
loss = y.sum()
threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    for _ in range(1000):
        loss.backward(retain_graph=True)
    print("not interrupted")
except KeyboardInterrupt:
    x.grad = None
    (x * 2).sum().backward()
    print("interrupted", x.grad[0].item())
"""
    done = run_python("-c", program, ADJOINT_CACHE=cache)
    assert done.stdout == "interrupted 2.0\n", done.stderr


def test_folders_of_the_cache(monkeypatch):
    monkeypatch.delenv("ADJOINT_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == "/somewhere/adjoint"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == os.path.expanduser("~/.cache/adjoint")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == os.path.expanduser("~/Library/Caches/adjoint")
    monkeypatch.setenv("ADJOINT_CACHE", "/given")
    assert cache_folder() == "/given"
