"""Statistics of a window of motion, and a forest of decision trees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from tqdm import tqdm

from .candidate import Candidate, Choice, Model, accuracy
from .problem import Part, Problem

TREES = 300
_KINDS = {"random": RandomForestClassifier, "extra": ExtraTreesClassifier}
_GRID = [(kind, share) for kind in _KINDS for share in (0.1, 0.3)]
"""Kind of forest, and the share of features that a split looks at."""
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_BANDS = 10
"""Of the spectrum up to half the rate."""


def statistics(windows: torch.Tensor, real: torch.Tensor) -> npt.NDArray[np.float32]:
    """`[N, features]` of `[N, 6, steps]`: of each axis and each sensor's magnitude, moments, quantiles and spectrum."""
    rows = []
    for window, steps in zip(windows.numpy(), real.tolist(), strict=True):
        x = window[:, :steps].astype(np.float32)
        magnitudes = np.stack([np.linalg.norm(x[:3], axis=0), np.linalg.norm(x[3:], axis=0)])
        x = np.concatenate([x, magnitudes])
        steps_apart = np.abs(np.diff(x, axis=1)).mean(1) if steps > 1 else np.zeros(len(x))
        centred = x - x.mean(1, keepdims=True)
        spectrum = np.abs(np.fft.rfft(centred, n=2 * windows.shape[2], axis=1)) ** 2
        bands = np.stack([band.mean(1) for band in np.array_split(spectrum, _BANDS, axis=1)], 1)
        parts = [x.mean(1), x.std(1), x.min(1), x.max(1), steps_apart, spectrum.argmax(1) / spectrum.shape[1]]
        parts += [np.quantile(x, _QUANTILES, axis=1).ravel(), np.log1p(bands).ravel()]
        if steps > 1:
            # The ramp keeps axes that stand still from having no correlation at all.
            parts.append(np.asarray(np.corrcoef(x[:6] + 1e-6 * np.arange(steps)))[np.triu_indices(6, 1)])
        else:
            parts.append(np.zeros(15))
        rows.append(np.concatenate(parts))
    found: npt.NDArray[np.float32] = np.nan_to_num(np.stack(rows)).astype(np.float32)
    return found


class ForestModel(Model):
    """The trees."""

    def __init__(self, forest: Any) -> None:
        self.forest = forest

    def predict(self, part: Part) -> torch.Tensor:
        return torch.from_numpy(self.forest.predict(statistics(*part.media()))).long()

    def parameters(self) -> int:
        """A feature and a threshold of each inner node, a class of each leaf."""
        return sum(2 * tree.tree_.node_count for tree in self.forest.estimators_)


class Forest(Candidate):
    """The best of random forests and extremely randomised trees."""

    name = "forest"
    weight = 0.0

    def choose(self, problem: Problem, seconds: float, work: Path) -> Choice:
        train, valid = statistics(*problem.train.media()), statistics(*problem.valid.media())
        tried = []
        for kind, share in tqdm(_GRID, desc=f"{problem.name} {self.name}"):
            settings = {"kind": kind, "features": share}
            found = _forest(settings).fit(train, problem.train.classes.numpy())
            predicted = torch.from_numpy(found.predict(valid))
            tried.append(settings | {"accuracy": round(accuracy(predicted, problem.valid.classes), 2)})
        best = max(tried, key=lambda one: one["accuracy"])
        return Choice({name: best[name] for name in ("kind", "features")}, best["accuracy"], tried)

    def fit(self, problem: Problem, choice: Choice, seconds: float, work: Path) -> Model:
        rows = np.concatenate([statistics(*part.media()) for part in (problem.train, problem.valid)])
        classes = torch.cat([problem.train.classes, problem.valid.classes]).numpy()
        return ForestModel(_forest(choice.settings).fit(rows, classes))


def _forest(settings: dict[str, Any]) -> Any:
    made = _KINDS[settings["kind"]]
    return made(n_estimators=TREES, max_features=settings["features"], random_state=0, n_jobs=1)
