"""examples/digits.py learns to read, checks its data and its arguments, and stops politely."""

import gzip
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import adjoint
from tests.examples.runner import load_example

digits = load_example("digits")


def test_the_data_are_the_1797_digits():
    images, labels = digits.load_digits()
    assert images.shape == (1797, 1, 8, 8) and images.dtype == np.float32
    assert labels.shape == (1797,) and labels.dtype == np.int64
    assert images.min() == 0 and images.max() == 1
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_the_network_has_9930_parameters():
    network = digits.build_network()
    assert sum(parameter.numel() for parameter in network.parameters()) == 9930


def test_it_reads_97_percent_of_new_digits(capsys):
    assert digits.main([]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert [line.split()[0] for line in lines[:15]] == ["epoch"] * 15
    (accuracy,) = [line for line in lines if line.startswith("test accuracy")]
    assert float(accuracy.split()[2].rstrip("%")) >= 97.0
    assert accuracy.endswith("of 360 images)")


def test_the_same_seed_gives_the_same_bits():
    images, labels = digits.load_digits()
    runs = []
    for _ in range(2):
        adjoint.manual_seed(3)
        network = digits.build_network()
        runs.append(digits.train(network, images[:256], labels[:256], epochs=2))
    assert runs[0] == runs[1]
    assert len(runs[0]) == 8


def test_the_plot_is_one_svg_picture_of_the_misread_digits(tmp_path, capsys):
    path = tmp_path / "wrong.svg"
    assert digits.main(["--epochs", "1", "--plot", str(path)]) == 0
    root = ET.fromstring(path.read_text(encoding="utf-8"))
    captions = [element.text for element in root if element.tag.endswith("text")]
    assert captions and all(" read as " in caption for caption in captions)
    assert f"({len(captions)} digits)" in capsys.readouterr().out


def test_a_picture_of_no_digits_is_empty():
    root = ET.fromstring(digits.svg_picture(np.zeros((0, 1, 8, 8)), []))
    assert len(root) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "0 is out of range: 1 is the least"),
        (["--epochs", "many"], "'many' is not a whole number"),
        (["--seed", "-1"], "-1 is out of range: 0 is the least"),
        (["--lr", "0"], "0 is not a positive, finite number"),
        (["--lr", "nan"], "nan is not a positive, finite number"),
        (["--lr", "fast"], "'fast' is not a number"),
        (["--plot", "wrong.png"], "'wrong.png' does not end in .svg"),
        (["--plot", "no-such-folder/wrong.svg"], "there is no folder 'no-such-folder'"),
        (["--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_wrong_arguments_are_named_before_any_work(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        digits.main(arguments)
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert message in captured.err and not captured.out


def test_a_learning_rate_that_is_too_high_is_said_so(capsys):
    assert digits.main(["--lr", "1e9"]) == 1
    error = capsys.readouterr().err
    assert "the loss became" in error and "try a smaller --lr than 1e+09" in error


def test_ctrl_c_ends_with_one_line(capsys, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(digits, "train", interrupted)
    assert digits.main([]) == 130
    assert capsys.readouterr().err.strip() == "stopped by Ctrl-C; nothing was saved"


def _line(pixel=0, label=0, count=64):
    return ",".join([str(pixel)] * count + [str(label)]) + "\n"


DAMAGED = {
    "too dark": (gzip.compress(_line(pixel=17).encode()), "pixels must lie in 0..16"),
    "too bright": (gzip.compress(_line(pixel=-1).encode()), "pixels must lie in 0..16"),
    "no digit": (gzip.compress(_line(label=10).encode()), "labels must lie in 0..9"),
    "short line": (gzip.compress(_line(count=63).encode()), "expected lines of 65 numbers"),
    "code": (gzip.compress(b"__import__('os')\n"), "not gzip text of whole numbers"),
    "ragged": (gzip.compress((_line() + "1,2\n").encode()), "not gzip text of whole numbers"),
    "cut off": (gzip.compress(_line().encode())[:-9], "not gzip text of whole numbers"),
    "not gzip": (b"PK not gzip at all", "not gzip text of whole numbers"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_refused(damage, tmp_path):
    content, message = DAMAGED[damage]
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        digits.load_digits(path)


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(gzip.compress(b""))
    with pytest.warns(UserWarning, match="no data"), pytest.raises(ValueError, match="65 numbers"):
        digits.load_digits(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        digits.load_digits(tmp_path / "nowhere.csv.gz")


def test_it_runs_without_the_progress_bar(capsys, monkeypatch):
    monkeypatch.setattr(digits, "tqdm", None)
    assert digits.main(["--epochs", "1"]) == 0
    assert capsys.readouterr().out.startswith("epoch  1/1  loss ")
