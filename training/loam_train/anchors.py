"""Where class names lie in the tower's space.

A sentence encoder puts the names of a domain's classes close together: most of each vector says "this is about a person's
movement". Subtracting the mean leaves what tells classes apart. The mean is stored with the tower, so that labels which
come at run time go the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from .run import Texts

Embed = Callable[[Sequence[str]], torch.Tensor]
"""From sentences to unit vectors `[sentences, dim]`."""


def centred(vectors: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    """`normalise(v - mean)`, as the engine moves a label's sentence."""
    return normalize(vectors - mean, dim=-1)


@dataclass(frozen=True)
class Anchors:
    """One unit vector for each label."""

    labels: list[str]
    vectors: torch.Tensor
    """`[labels, dim]`: what training aims at, all templates averaged."""
    mean: torch.Tensor
    """`[dim]`: of the deployed template's sentences over all labels."""


def build(labels: Sequence[str], texts: Texts, embed: Embed) -> Anchors:
    """Anchors of all labels of all sets. Labels that sets share count once, or the mean would lean towards them.

    Each template is centred by its own mean: what a wording adds to all of its sentences tells nothing about classes.
    """
    distinct = list(dict.fromkeys(labels))
    sentences = [template.replace("{}", label) for template in texts.templates for label in distinct]
    vectors = embed(sentences).reshape(len(texts.templates), len(distinct), -1)
    means = vectors.mean(1, keepdim=True)
    averaged = normalize(centred(vectors, means).mean(0), dim=-1)
    return Anchors(distinct, averaged, means[0, 0].clone())


def deployed(labels: Sequence[str], texts: Texts, mean: torch.Tensor, embed: Embed) -> torch.Tensor:
    """The anchors that the engine forms of `labels`: one sentence each, moved by the stored mean."""
    return centred(embed([texts.deployed.replace("{}", label) for label in labels]), mean)
