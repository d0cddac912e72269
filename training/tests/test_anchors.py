"""Anchors: centred, whitened, averaged, and as the engine forms them."""

from __future__ import annotations

from pathlib import Path

import torch
from tiny import DIM, embed
from torch.nn.functional import normalize

from loam_train.towers import anchors, component, network
from loam_train.towers.anchors import Transform
from loam_train.towers.run import Texts

LABELS = ["walking", "running fast", "sitting still", "falling"]
TEXTS = Texts(deployed="a person is {}.", others=["{}", "the motion of {}"])
STAGES = {"stages": [{"type": "activation", "kind": "relu"}], "pooling": "mean", "input": [6, 8], "dim": DIM}


def similarities(vectors: torch.Tensor) -> torch.Tensor:
    """Of different rows."""
    return (vectors @ vectors.T)[~torch.eye(len(vectors), dtype=torch.bool)]


def whitening(shrinkage: float) -> torch.Tensor:
    found = anchors.build(LABELS, TEXTS, shrinkage, embed).transform.whitening
    assert found is not None
    return found


def test_centring_spreads_what_the_encoder_puts_together() -> None:
    built = anchors.build(LABELS, TEXTS, 0.0, embed)
    assert built.transform.whitening is None
    assert similarities(built.vectors).max() < similarities(embed(LABELS)).min()
    torch.testing.assert_close(built.vectors.norm(dim=1), torch.ones(len(LABELS)))


def test_one_template_gives_the_engines_anchors() -> None:
    alone = Texts(deployed=TEXTS.deployed, others=[])
    for shrinkage in (0.0, 0.1):
        built = anchors.build(LABELS, alone, shrinkage, embed)
        torch.testing.assert_close(built.vectors, anchors.deployed(LABELS, alone.deployed, built.transform, embed))


def test_the_mean_is_of_the_deployed_template_and_counts_shared_labels_once() -> None:
    built = anchors.build([*LABELS, "walking", "walking"], TEXTS, 0.0, embed)
    sentences = embed([f"a person is {label}." for label in LABELS])
    assert built.labels == LABELS
    torch.testing.assert_close(built.transform.mean, sentences.mean(0))
    moved = anchors.deployed(["falling"], TEXTS.deployed, built.transform, embed)
    torch.testing.assert_close(moved[0], normalize(sentences[3] - built.transform.mean, dim=-1))


def test_whitening_is_symmetric_finite_and_of_a_size_that_fp16_holds() -> None:
    # 12 sentences span fewer than 24 directions, so that the covariance itself has no inverse.
    for shrinkage in (1e-3, 0.1, 1.0):
        found = whitening(shrinkage)
        assert found.isfinite().all()
        torch.testing.assert_close(found, found.T)
        axes = torch.linalg.eigvalsh(found)
        assert axes.min() > 0
        torch.testing.assert_close(axes.mean(), torch.tensor(1.0))
        assert axes.max() < 65_504


def test_whitening_evens_out_the_directions_and_shrinkage_holds_it_back() -> None:
    centred = torch.cat([embed([t.replace("{}", label) for label in LABELS]) for t in TEXTS.templates])
    centred -= centred.reshape(3, 4, -1).mean(1).repeat_interleave(4, 0)

    def unevenness(moved: torch.Tensor) -> float:
        axes = torch.linalg.svdvals(moved)[:8]
        return float(axes.max() / axes.min())

    before, some, most = (unevenness(centred @ w) for w in (torch.eye(DIM), whitening(1.0), whitening(1e-3)))
    assert most < some < before
    assert most < 1.2


def test_the_transform_is_stored_with_the_tower(tmp_path: Path) -> None:
    tower = network.build(STAGES, tmp_path, component.MOST)
    for transform in (Transform(torch.randn(DIM), whitening(0.1)), Transform(torch.randn(DIM), None)):
        component.write(tmp_path, tower, transform, STAGES, {}, {})
        stored = component.read(tmp_path).transform
        torch.testing.assert_close(stored.mean, transform.mean)
        assert (stored.whitening is None) == (transform.whitening is None)
        vectors = embed(LABELS)
        torch.testing.assert_close(stored.apply(vectors), transform.apply(vectors), atol=2e-3, rtol=0)
