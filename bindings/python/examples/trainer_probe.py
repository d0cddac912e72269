"""A linear probe: embeds texts on a foundation and fits a classifier over the embeddings in numpy.

    python examples/trainer_probe.py foundations/loam-nano

Training an adapter starts with such a probe: what a linear head reads from the frozen encoder needs no adapter at all.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import loam

LABELS = ("complaint", "praise", "question")
TRAIN = (
    ("The parcel arrived broken and nobody answers my mails.", 0),
    ("I have waited for my refund for six weeks.", 0),
    ("The new version crashes whenever I open a photo.", 0),
    ("Your driver left the box in the rain, everything is wet.", 0),
    ("The battery died after two days. I want my money back.", 0),
    ("What a lovely shop, I will order again!", 1),
    ("Thank you, the repair was quick and friendly.", 1),
    ("Best headphones I have ever owned.", 1),
    ("Great service, the parcel came a day early.", 1),
    ("I am very happy with the new version, well done.", 1),
    ("Do you ship to Norway?", 2),
    ("Which cable fits the older model?", 2),
    ("How do I change my delivery address?", 2),
    ("Is the blue one in stock?", 2),
    ("Can I pay by invoice?", 2),
)
TEST = (
    ("The lid was cracked and the sauce leaked all over.", 0),
    ("After the update nothing works any more.", 0),
    ("Wonderful quality, thanks a lot!", 1),
    ("The staff was so kind, I love it.", 1),
    ("When does the shop open on Sundays?", 2),
    ("Where can I find the manual?", 2),
)

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """A linear classifier."""

    weight: Matrix
    """``[labels, dim]``."""
    bias: Matrix
    """``[labels]``."""

    def probabilities(self, xs: Matrix) -> Matrix:
        """``[texts, labels]``, of embeddings ``[texts, dim]``."""
        logits = xs @ self.weight.T + self.bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float32)

    def accuracy(self, xs: Matrix, ys: npt.NDArray[np.int64]) -> float:
        """Share of the texts whose most probable label is theirs."""
        return float((self.probabilities(xs).argmax(axis=1) == ys).mean())


def embedded(app: loam.App, texts: Sequence[str]) -> Matrix:
    """``[texts, dim]``, of unit length."""
    return np.stack([app.embed(loam.Input.text(text)).vector for text in texts])


def fitted(xs: Matrix, ys: npt.NDArray[np.int64], labels: int, steps: int = 400, rate: float = 2.0) -> Head:
    """Gradient descent on the cross entropy; the weights decay a little, since there are more of them than texts."""
    weight: Matrix = np.zeros((labels, xs.shape[1]), np.float32)
    bias: Matrix = np.zeros(labels, np.float32)
    targets = np.eye(labels, dtype=np.float32)[ys]
    for _ in range(steps):
        errors = (Head(weight, bias).probabilities(xs) - targets) / len(xs)
        weight = (weight - rate * (errors.T @ xs + 1e-3 * weight)).astype(np.float32)
        bias = (bias - rate * errors.sum(axis=0)).astype(np.float32)
    return Head(weight, bias)


def probe(app: loam.App) -> tuple[Head, float, float]:
    """The head, and its accuracy on the texts that it was fitted to and on others."""
    train, test = (embedded(app, [text for text, _ in part]) for part in (TRAIN, TEST))
    ys, zs = (np.array([label for _, label in part]) for part in (TRAIN, TEST))
    head = fitted(train, ys, len(LABELS))
    return head, head.accuracy(train, ys), head.accuracy(test, zs)


def main() -> None:
    """Prints the accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("foundation", help="directory of a foundation with a text encoder")
    app = loam.Engine.open(parser.parse_args().foundation).attach("loam.trainer")
    head, seen, unseen = probe(app)
    print(f"{head.weight.shape[1]} dimensions, {len(LABELS)} labels: {', '.join(LABELS)}")
    print(f"accuracy {seen:.2f} on the {len(TRAIN)} texts of training, {unseen:.2f} on {len(TEST)} others")


if __name__ == "__main__":
    main()
