"""Train a small convolutional network to read handwritten digits, and say how well it reads.

In: the 1,797 images in ``data/digits.csv.gz``. Out: the loss after each epoch, the accuracy on
360 images that the training never saw, a picture of some that were read wrongly. Some seconds::

    python examples/digits.py
    python examples/digits.py --epochs 20 --seed 1 --plot wrong.svg

Every function takes the library as its argument ``torch``: the same text runs on adjoint and on
PyTorch, and a test compares their losses step by step.
"""

import argparse
import gzip
import math
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import adjoint

try:
    from tqdm import tqdm
except ImportError:  # the progress bar is an optional extra
    tqdm = None

DATA = Path(__file__).parent / "data" / "digits.csv.gz"
SHADES = " .:-=+*#%@"
DIVERGED = 1e6  # no cross entropy of ten classes that is learning anything comes near


def load_digits(path: Path = DATA) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, 1, 8, 8) float32 in [0, 1] and labels (N,) int64, read from ``path``.

    Raises: FileNotFoundError if there is no such file; ValueError if it does not hold 8 x 8 digits.
    """
    try:
        with gzip.open(path, "rt", encoding="ascii") as file:
            table = np.loadtxt(file, delimiter=",", dtype=np.int64, ndmin=2)
    except (gzip.BadGzipFile, zlib.error, EOFError, ValueError) as error:
        raise ValueError(f"{path}: not gzip text of whole numbers and commas ({error})") from None
    if table.ndim != 2 or table.shape[1] != 65 or len(table) == 0:
        raise ValueError(f"{path}: expected lines of 65 numbers, found shape {table.shape}")
    pixels, labels = table[:, :64], table[:, 64]
    if pixels.min() < 0 or pixels.max() > 16:
        raise ValueError(f"{path}: pixels must lie in 0..16, not {pixels.min()}..{pixels.max()}")
    if labels.min() < 0 or labels.max() > 9:
        raise ValueError(f"{path}: labels must lie in 0..9, not {labels.min()}..{labels.max()}")
    images = (pixels / 16.0).astype(np.float32).reshape(-1, 1, 8, 8)
    return images, labels


def held_out(count: int) -> np.ndarray:
    """Return the mask of the images kept for the test: every fifth one, whatever the seed."""
    return np.arange(count) % 5 == 0


def build_network(torch: Any = adjoint) -> Any:
    """Return the network: two convolutions, one pooling, one linear layer; 9,930 parameters."""
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 16, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, 10),
    )


def train(
    network: Any,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    torch: Any = adjoint,
    epochs: int = 15,
    lr: float = 0.05,
    batch_size: int = 64,
    on_step: Callable[[], None] = lambda: None,
    on_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
) -> list[float]:
    """Train ``network`` in place on the cross entropy; return the loss of every step.

    The optimiser is stochastic gradient descent with momentum: over the few hundred steps it takes
    here, rounding errors stay rounding errors, so that runs can be compared number by number.

    Raises: FloatingPointError as soon as a loss is no number or beyond all reason.
    """
    dataset = torch.utils.data.TensorDataset(torch.from_numpy(images), torch.from_numpy(labels))
    loader = torch.utils.data.DataLoader(dataset, batch_size=batch_size, shuffle=True)
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9)
    losses: list[float] = []
    network.train()
    for epoch in range(1, epochs + 1):
        total = 0.0
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(inputs), targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if not losses[-1] < DIVERGED:  # also true of nan
                raise FloatingPointError(f"the loss became {losses[-1]:.4g} in epoch {epoch}")
            total += losses[-1] * len(targets)
            on_step()
        on_epoch(epoch, total / len(dataset))
    return losses


def predict(network: Any, images: np.ndarray, *, torch: Any = adjoint) -> np.ndarray:
    """Return the digit that ``network`` reads in each image, (N,) int64."""
    network.eval()
    with torch.no_grad():
        return network(torch.from_numpy(images)).argmax(dim=1).numpy()


def ascii_picture(images: np.ndarray, captions: Sequence[str]) -> str:
    """Return the images side by side as text, each under its caption; a darker sign is more ink."""
    cells = (images[:, 0] * (len(SHADES) - 1)).round().astype(int)
    lines = ["  ".join(f"{caption:<16}" for caption in captions).rstrip()]
    for row in range(8):
        parts = ["".join(SHADES[value] * 2 for value in image[row]) for image in cells]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def svg_picture(images: np.ndarray, captions: Sequence[str], columns: int = 8) -> str:
    """Return the images as one SVG document, ``columns`` to a row, each under its caption."""
    pixel, gap, head = 10, 14, 18
    rows = max(1, -(-len(images) // columns))
    width = columns * (8 * pixel + gap) + gap
    height = rows * (8 * pixel + gap + head) + gap
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for number, (image, caption) in enumerate(zip(images[:, 0], captions, strict=True)):
        left = gap + (number % columns) * (8 * pixel + gap)
        top = gap + (number // columns) * (8 * pixel + gap + head)
        parts.append(f'<text x="{left}" y="{top + 12}">{caption}</text>')
        for (row, column), ink in np.ndenumerate(image):
            grey = round(255 * (1.0 - float(ink)))
            parts.append(
                f'<rect x="{left + column * pixel}" y="{top + head + row * pixel}" '
                f'width="{pixel}" height="{pixel}" fill="rgb({grey},{grey},{grey})"/>'
            )
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _whole(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if not least <= value < 2**63:
            raise argparse.ArgumentTypeError(f"{text} is out of range: {least} is the least")
        return value

    return parse


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a positive, finite number")
    return value


def _svg_path(text: str) -> Path:
    path = Path(text)
    if path.suffix != ".svg":
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .svg")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {str(path.parent)!r}")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a folder")
    return path


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the checked command line; end the program with a message if something is wrong."""
    parser = argparse.ArgumentParser(
        description="Train a small network to read handwritten digits."
    )
    parser.add_argument("--epochs", type=_whole(1), default=15, help="passes over the data (15)")
    parser.add_argument("--seed", type=_whole(0), default=0, help="seed of all random numbers (0)")
    parser.add_argument("--lr", type=_positive, default=0.05, help="learning rate (0.05)")
    parser.add_argument("--batch-size", type=_whole(1), default=64, help="images per step (64)")
    parser.add_argument("--plot", type=_svg_path, help="write all misread digits to this .svg file")
    return parser.parse_args(argv)


def run(options: argparse.Namespace, torch: Any = adjoint) -> int:
    """Do the whole job as ``options`` say and return the exit status."""
    images, labels = load_digits()
    test = held_out(len(labels))
    torch.manual_seed(options.seed)
    network = build_network(torch)

    steps = options.epochs * -(-int((~test).sum()) // options.batch_size)
    # disable=None: a bar only where a terminal looks at it.
    bar = None if tqdm is None else tqdm(total=steps, unit="step", leave=False, disable=None)

    def report(epoch: int, loss: float) -> None:
        line = f"epoch {epoch:2d}/{options.epochs}  loss {loss:.4f}"
        print(line, flush=True) if bar is None else bar.write(line)

    start = time.perf_counter()
    try:
        train(
            network,
            images[~test],
            labels[~test],
            torch=torch,
            epochs=options.epochs,
            lr=options.lr,
            batch_size=options.batch_size,
            on_step=bar.update if bar is not None else lambda: None,
            on_epoch=report,
        )
    finally:
        if bar is not None:
            bar.close()
    seconds = time.perf_counter() - start

    read = predict(network, images[test], torch=torch)
    right = read == labels[test]
    print(f"trained on {int((~test).sum())} images in {seconds:.1f} s")
    print(f"test accuracy {right.mean():.2%} ({right.sum()} of {right.size} images)")

    wrong_images = images[test][~right]
    pairs = list(zip(labels[test][~right], read[~right], strict=True))
    captions = [f"{truth} read as {answer}" for truth, answer in pairs]
    if captions:
        print("\nsome that were misread:\n")
        print(ascii_picture(wrong_images[:4], captions[:4]))
    if options.plot is not None:
        options.plot.write_text(svg_picture(wrong_images, captions), encoding="utf-8")
        print(f"\nwrote {options.plot} ({len(captions)} digits)")
    return 0


def main(argv: Sequence[str] | None = None, torch: Any = adjoint) -> int:
    """Run the program; turn what a user can meet (Ctrl-C, divergence, bad files) into one line."""
    options = parse_arguments(argv)
    try:
        return run(options, torch)
    except KeyboardInterrupt:
        print("\nstopped by Ctrl-C; nothing was saved", file=sys.stderr)
        return 130
    except FloatingPointError as error:
        print(f"error: {error}; try a smaller --lr than {options.lr:g}", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
