"""Cases of pictures and maps of classes, by scikit-image and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn.metrics
from skimage import color, metrics

Case = dict[str, Any]


def cases() -> dict[str, list[Case]]:
    return {
        "fidelity": [fidelity(seed, channels) for seed, channels in enumerate([1, 3, 3])],
        "segmentation": [segmentation(seed) for seed in range(4)],
        "matting": [matting(seed) for seed in range(2)],
    }


def fidelity(seed: int, channels: int) -> Case:
    draw = np.random.default_rng(seed)
    height, width = 17 + seed, 15
    ramp = np.linspace(0, 200, height * width).reshape(height, width, 1)
    right = np.clip(ramp + draw.normal(0, 20, (height, width, channels)), 0, 255).astype(np.uint8)
    found = np.clip(right + draw.normal(0, 12, right.shape), 0, 255).astype(np.uint8)
    expected = {"psnr": float(metrics.peak_signal_noise_ratio(right, found, data_range=255))}
    for name, how in [
        ("uniform", {}),
        ("gauss", {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}),
    ]:
        score = metrics.structural_similarity(right, found, data_range=255, channel_axis=2, **how)
        expected[name] = float(score)
    if channels == 3:
        expected["luminance"] = color.rgb2ycbcr(right)[..., 0].ravel()[:20].tolist()
    shape = [width, height, channels]
    return {"shape": shape, "found": found.ravel().tolist(), "right": right.ravel().tolist(), "expected": expected}


def segmentation(seed: int) -> Case:
    draw = np.random.default_rng(seed)
    classes, ignored = 5, 255
    right = draw.integers(0, classes - (seed == 1), (3, 40))
    found = np.where(draw.random(right.shape) < 0.7, right, draw.integers(0, classes - (seed == 1), right.shape))
    right = np.where(draw.random(right.shape) < 0.1, ignored, right)
    kept = right.ravel() != ignored
    a, b = found.ravel()[kept], right.ravel()[kept]
    occurring = sorted(set(a) | set(b))
    expected = {
        "mean_iou": float(sklearn.metrics.jaccard_score(b, a, average="macro", labels=occurring, zero_division=0)),
        "pixel_accuracy": float(sklearn.metrics.accuracy_score(b, a)),
        "mean_accuracy": float(sklearn.metrics.balanced_accuracy_score(b, a)),
    }
    return {
        "classes": classes,
        "ignored": ignored,
        "found": found.tolist(),
        "right": right.tolist(),
        "expected": expected,
    }


def matting(seed: int) -> Case:
    draw = np.random.default_rng(seed)
    right = np.round(np.clip(draw.normal(0.5, 0.5, 64), 0, 1), 4)
    found = np.round(np.clip(right + draw.normal(0, 0.1, 64), 0, 1), 4)
    expected = {
        "sad": float(np.abs(found - right).sum() / 1000),
        "mse": float(sklearn.metrics.mean_squared_error(right, found)),
        "mad": float(sklearn.metrics.mean_absolute_error(right, found)),
        "iou": float(sklearn.metrics.jaccard_score(right >= 0.5, found >= 0.5)),
    }
    return {"found": found.tolist(), "right": right.tolist(), "expected": expected}
