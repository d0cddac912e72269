"""Anchors: centred, averaged, and as the engine forms them."""

from __future__ import annotations

import torch
from conftest import embed
from torch.nn.functional import normalize

from loam_train import anchors
from loam_train.run import Texts

LABELS = ["walking", "running fast", "sitting still", "falling"]
TEXTS = Texts(deployed="a person is {}.", others=["{}", "the motion of {}"])


def test_centring_spreads_what_the_encoder_puts_together() -> None:
    raw = embed(LABELS)
    built = anchors.build(LABELS, TEXTS, embed)
    apart = ~torch.eye(len(LABELS), dtype=torch.bool)
    assert (built.vectors @ built.vectors.T)[apart].max() < (raw @ raw.T)[apart].min()
    torch.testing.assert_close(built.vectors.norm(dim=1), torch.ones(len(LABELS)))


def test_one_template_gives_the_engines_anchors() -> None:
    alone = Texts(deployed=TEXTS.deployed, others=[])
    built = anchors.build(LABELS, alone, embed)
    torch.testing.assert_close(built.vectors, anchors.deployed(LABELS, alone, built.mean, embed))


def test_the_mean_is_of_the_deployed_template_and_counts_shared_labels_once() -> None:
    built = anchors.build([*LABELS, "walking", "walking"], TEXTS, embed)
    sentences = embed([f"a person is {label}." for label in LABELS])
    assert built.labels == LABELS
    torch.testing.assert_close(built.mean, sentences.mean(0))
    moved = anchors.deployed(["falling"], TEXTS, built.mean, embed)
    torch.testing.assert_close(moved[0], normalize(sentences[3] - built.mean, dim=-1))
