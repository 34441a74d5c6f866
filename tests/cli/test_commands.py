"""The command line, called as a function and as a program."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import adjoint
from adjoint.cli import main

PROGRAM = """
import sys
import torch
x = torch.tensor([1.0, 2.0], requires_grad=True)
(x ** 3).sum().backward()
print(x.grad, sys.argv[1:], __name__, __file__ == sys.argv[0])
"""


def adjoint_program(*words: str) -> subprocess.CompletedProcess[str]:
    # The sources under test, whatever else is installed.
    environment = {**os.environ, "PYTHONPATH": str(Path(adjoint.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, "-m", "adjoint", *words],
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_info_names_the_versions(capsys):
    assert main(["info"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"adjoint {adjoint.__version__}"
    assert any(line.startswith(f"NumPy      {np.__version__} (BLAS: ") for line in lines)
    assert any(line.startswith("tqdm") and "optional" in line for line in lines)


def test_without_words_it_says_what_it_is_and_can_do():
    done = adjoint_program()
    assert done.returncode == 0 and not done.stderr
    assert f"adjoint {adjoint.__version__}" in done.stdout
    assert "usage: python -m adjoint" in done.stdout
    assert "run a program written for PyTorch on adjoint" in " ".join(done.stdout.split())


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"adjoint {adjoint.__version__}\n"


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train"])
    assert stop.value.code == 2
    assert "invalid choice: 'train'" in capsys.readouterr().err


def test_run_serves_torch(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    done = adjoint_program("run", str(script), "--steps", "3")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "tensor([ 3., 12.]) ['--steps', '3'] __main__ True\n"


def test_run_finds_modules_beside_the_script(tmp_path, capsys):
    (tmp_path / "beside_the_script.py").write_text("import torch\nvalue = torch.zeros(1)\n")
    script = tmp_path / "program.py"
    script.write_text("from beside_the_script import value\nprint(value)\n")
    assert main(["run", str(script)]) == 0
    assert capsys.readouterr().out == "tensor([0.])\n"
    assert str(tmp_path) not in sys.path
    del sys.modules["beside_the_script"]


def test_run_shows_the_programs_own_traceback(tmp_path, capsys):
    script = tmp_path / "program.py"
    script.write_text("import torch\n\ndef step():\n    torch.no_such_name\n\nstep()\n")
    assert main(["run", str(script)]) == 1
    error = capsys.readouterr().err
    assert error.rstrip().endswith("AttributeError: adjoint has no torch.no_such_name")
    assert f'File "{script}", line 6, in <module>' in error
    assert "commands.py" not in error and "as_torch.py" not in error


def test_run_shows_no_frames_of_its_own_for_a_missing_import(tmp_path, capsys):
    script = tmp_path / "program.py"
    script.write_text("from torch import no_such_name\n")
    assert main(["run", str(script)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "ModuleNotFoundError: adjoint has no torch.no_such_name"
    assert sum(line.startswith("  File ") for line in lines) == 1


def test_run_passes_the_exit_status_on(tmp_path):
    script = tmp_path / "program.py"
    script.write_text("import sys\nsys.exit(7)\n")
    assert adjoint_program("run", str(script)).returncode == 7


def test_run_names_a_missing_file(capsys):
    assert main(["run", "nowhere.py"]) == 2
    message = capsys.readouterr().err
    assert message == "adjoint run: cannot read 'nowhere.py': No such file or directory\n"


def test_run_names_a_syntax_error(tmp_path, capsys):
    script = tmp_path / "program.py"
    script.write_text("import torch\nx = = 1\n")
    assert main(["run", str(script)]) == 1
    error = capsys.readouterr().err
    assert "line 2" in error and "SyntaxError: invalid syntax" in error


def test_ctrl_c_ends_with_one_line(tmp_path, capsys):
    script = tmp_path / "program.py"
    script.write_text("raise KeyboardInterrupt\n")
    assert main(["run", str(script)]) == 130
    assert capsys.readouterr().err.strip() == "stopped by Ctrl-C"
