"""Makes `cli/src/bench/probe_cases.json`: logits of scikit-learn's logistic regression on seeded values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

OUT = Path(__file__).parents[3] / "cli" / "src" / "bench" / "probe_cases.json"


def main() -> None:
    chance = np.random.default_rng(11)
    cases = []
    for classes, count, width, strength in ((3, 30, 4, 0.03), (3, 30, 4, 1.0), (5, 40, 6, 0.3), (2, 20, 3, 0.1)):
        right = np.arange(count) % classes
        centres = chance.normal(size=(classes, width))
        rows = np.round(centres[right] + chance.normal(size=(count, width)), 3).astype(np.float32)
        model = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000)
        # Two classes have one row of weights there and two here: the same minimum only where each is penalised alike.
        if classes == 2:
            model.C = strength * 2
        model.fit(rows, right)
        logits = model.decision_function(rows)
        if classes == 2:
            logits = np.stack([np.zeros(count), logits], 1)
        logits = logits - logits[:, :1]
        cases.append(
            {
                "strength": strength,
                "classes": classes,
                "rows": [[round(float(value), 3) for value in row] for row in rows],
                "right": right.tolist(),
                "logits": [[round(float(value), 6) for value in row] for row in logits],
            }
        )
    OUT.write_text(json.dumps(cases) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
