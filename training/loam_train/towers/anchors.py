"""Where class names lie in the tower's space.

A sentence encoder puts the names of a domain's classes close together: most of each vector says "this is about a person's
movement". Subtracting the mean leaves what tells classes apart, and whitening gives directions in which the names of the
domain hardly differ the weight of the others. Both are stored with the tower, so that labels which come at run time go the
same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from .run import Texts

Embed = Callable[[Sequence[str]], torch.Tensor]
"""From sentences to unit vectors `[sentences, dim]`."""


@dataclass(frozen=True)
class Transform:
    """How the vector of a label's sentence is moved: `normalise(whitening (v - mean))`."""

    mean: torch.Tensor
    """`[dim]`."""
    whitening: torch.Tensor | None
    """`[dim, dim]`, symmetric."""

    def apply(self, vectors: torch.Tensor) -> torch.Tensor:
        """Unit vectors `[n, dim]` of sentences as the engine compares them."""
        moved = vectors - self.mean
        return normalize(moved if self.whitening is None else moved @ self.whitening, dim=-1)


@dataclass(frozen=True)
class Anchors:
    """One unit vector for each label."""

    labels: list[str]
    vectors: torch.Tensor
    """`[labels, dim]`: what training aims at, all templates averaged."""
    transform: Transform
    """For the deployed template's sentences."""


def build(labels: Sequence[str], texts: Texts, shrinkage: float, embed: Embed) -> Anchors:
    """Anchors of all labels of all sets. Labels that sets share count once, or the mean would lean towards them.

    Each template is centred by its own mean: what a wording adds to all of its sentences tells nothing about classes.
    `shrinkage` above 0 whitens with the covariance over labels and templates, mixed with that share of an even spread.
    """
    distinct = list(dict.fromkeys(labels))
    sentences = [template.replace("{}", label) for template in texts.templates for label in distinct]
    vectors = embed(sentences).reshape(len(texts.templates), len(distinct), -1)
    means = vectors.mean(1, keepdim=True)
    whitening = _whitening((vectors - means).flatten(0, 1), shrinkage) if shrinkage else None
    moved = [Transform(mean[0], whitening).apply(rows) for mean, rows in zip(means, vectors, strict=True)]
    averaged = normalize(torch.stack(moved).mean(0), dim=-1)
    return Anchors(distinct, averaged, Transform(means[0, 0].clone(), whitening))


def _whitening(centred: torch.Tensor, shrinkage: float) -> torch.Tensor:
    """The inverse square root of the shrunk covariance (ZCA), scaled to a mean eigenvalue of 1 so that fp16 holds it."""
    covariance = (centred.T @ centred).double() / len(centred)
    dim = len(covariance)
    covariance += shrinkage * covariance.trace() / dim * torch.eye(dim, dtype=torch.double)
    values, axes = torch.linalg.eigh(covariance)
    inverse = values.rsqrt()
    whitening: torch.Tensor = (axes * (inverse / inverse.mean())) @ axes.T
    return whitening.float()


def deployed(labels: Sequence[str], template: str, transform: Transform, embed: Embed) -> torch.Tensor:
    """The anchors that the engine forms of `labels`: one sentence each, moved by the stored transform."""
    return transform.apply(embed([template.replace("{}", label) for label in labels]))
