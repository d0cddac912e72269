"""Makes `bench/eai/baselines.json`: models of one task each, for sets of which `models/results.json` has none.

Words and pairs of words with a linear classifier, whose strength is chosen on a tenth of the training rows. Scores are those of
all test rows at hand, by the metric that the registry names. Two of motion are those of `models/RESULTS.md`, whose adapters are
not shipped and so not in its JSON.

Of pictures to make larger it is bicubic interpolation, which has no weights: of luminance without a border of four pixels. The
second folder is what `python -m loam_train upscaled-set` writes.

    python bench/eai/reference/make_baselines.py ../shared/data pictures
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

OUT = Path(__file__).parents[1] / "baselines.json"
SEED = 5
BORDER = 4
STRENGTHS = (0.3, 3.0, 30.0)
FEATURES = 50_000
TEXTS = {
    "nlp/tweeteval_emoji": "macro-F1",
    "nlp/ag_news": "accuracy",
    "nlp/banking77": "accuracy",
    "nlp/cola": "MCC",
    "nlp/mrpc": "accuracy",
    "nlp/rte": "accuracy",
    "nlp/snli": "accuracy",
    "nlp/tweeteval_hate": "macro-F1",
    "nlp/tweeteval_irony": "macro-F1",
    "nlp/tweeteval_offensive": "macro-F1",
    "nlp/imdb": "accuracy",
    "nlp/boolq_closed": "accuracy",
    "nlp/snips:intent": "accuracy",
}
KEPT = {
    "sensing/sisfall": {"model": "cnn", "metric": "accuracy", "score": 0.847, "bytes": 464_000},
    "sensing/utd_mhad_inertial": {"model": "cnn", "metric": "accuracy", "score": 0.867, "bytes": 458_000},
}
"""Of `models/RESULTS.md`."""


def rows(folder: Path, split: str) -> list[dict[str, Any]]:
    """The objects of a split."""
    with zstandard.open(folder / f"{split}.jsonl.zst", "rb") as stream:
        return [json.loads(line) for line in io.TextIOWrapper(stream, "utf-8")]


def texts(found: list[dict[str, Any]], view: str) -> tuple[list[str], list[Any]]:
    """Inputs and classes; the words of a pair are told apart, as are those that both have."""

    def one(row: dict[str, Any]) -> str:
        if "tokens" in row:
            return " ".join(row["tokens"])
        if "text2" in row:
            first, second = row["text"].split(), row["text2"].split()
            shared = set(first) & set(second)
            marked = [f"both_{word}" if word in shared else f"second_{word}" for word in second]
            return " ".join([*first, *marked])
        text: str = row.get("text", row.get("question", ""))
        return text

    return [one(row) for row in found], [row["intent" if view else "label"] for row in found]


def score(metric: str, right: Any, found: Any) -> float:
    """By the registry's metric, as a share."""
    if metric == "MCC":
        return float(matthews_corrcoef(right, found))
    if metric == "macro-F1":
        return float(f1_score(right, found, average="macro"))
    return float(accuracy_score(right, found))


def linear(strength: float) -> Any:
    """Words and pairs of words, and a linear classifier."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=FEATURES)
    return make_pipeline(words, LogisticRegression(C=strength, max_iter=300))


def of_texts(root: Path, name: str, metric: str) -> dict[str, Any]:
    """The linear classifier that a tenth of the training rows chose."""
    path, _, view = name.partition(":")
    learn, test = (texts(rows(root / path, split), view) for split in ("train", "test"))
    inner, held, inner_right, held_right = train_test_split(*learn, test_size=0.1, random_state=SEED)
    tried = {c: score(metric, held_right, linear(c).fit(inner, inner_right).predict(held)) for c in STRENGTHS}
    model = linear(max(tried, key=lambda c: tried[c])).fit(*learn)
    size = model[-1].coef_.size * 4 + sum(len(word) + 8 for word in model[0].vocabulary_)
    return {"model": "tfidf-linear", "metric": metric, "score": score(metric, test[1], model.predict(test[0])), "bytes": size}


def luminance(picture: Image.Image) -> Any:
    """BT.601, 16 to 235, without the border that is not scored."""
    light = 16 + np.asarray(picture, dtype=np.float64) @ (np.array([65.481, 128.553, 24.966]) / 255)
    return light[BORDER:-BORDER, BORDER:-BORDER]


def of_interpolation(folder: Path) -> dict[str, Any]:
    """Bicubic interpolation of pictures in the form of Set5."""
    found = []
    for file in sorted(folder.glob("image_SRF_4/*_HR.png")):
        with Image.open(file) as high, Image.open(str(file).replace("_HR", "_LR")) as low:
            made = low.resize(high.size, Image.Resampling.BICUBIC)
            found.append(peak_signal_noise_ratio(luminance(high), luminance(made), data_range=255))
    return {"model": "bicubic", "metric": "PSNR", "score": float(np.mean(found)), "bytes": 0}


def main() -> None:
    root = Path(sys.argv[1])
    made = {}
    for name, metric in TEXTS.items():
        made[name] = of_texts(root, name, metric)
        print(name, made[name], flush=True)
    made["pictures/held"] = of_interpolation(Path(sys.argv[2]))
    for one in made.values():
        one["score"] = round(one["score"], 5)
    made |= KEPT
    OUT.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
