"""Batches that follow from seed and step alone: rows of one length, each a text, its sound and silence about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from . import augment, text
from .corpus import Clip, Corpus, Frames
from .data import Sources
from .settings import Run

_GRID = 32
"""Frames that lengths are rounded up to, so that few shapes occur."""
_NEIGHBOURS = 4
"""A row's companions are drawn from so many batches of clips that are as long."""
_LEAST_GAP, _LARGEST_GAP = 2, 40
"""Frames between joined words; each has 50 ms of silence of its own."""


@dataclass(frozen=True)
class Batch:
    """One step's input and targets."""

    x: torch.Tensor
    """Changed and normalised spectrograms `[rows, bins, frames]`."""
    targets: torch.Tensor
    """Tokens of all rows one after another."""
    lengths: torch.Tensor
    """Tokens of each row."""


class Batches:
    """Draws batches of `sources`."""

    def __init__(self, sources: Sources, run: Run) -> None:
        self.sources, self.run = sources, run
        self._order = np.argsort(sources.synthetic.lengths, kind="stable")
        self._words = {id(corpus): _by_speaker(corpus) for recorded, corpus in sources.recorded if recorded.words}
        self._recorded_orders = [np.argsort(corpus.lengths, kind="stable") for _, corpus in sources.recorded]
        self._shares = np.array([recorded.weight for recorded, _ in sources.recorded])

    def draw(self, step: int, warm: bool) -> Batch:
        """The batch of a step; of short clips only while the run is `warm`ing up."""
        run, chance = self.run, np.random.default_rng([self.run.training.seed, step])
        per_second = run.mel.rate / run.mel.hop
        lengths = self.sources.synthetic.lengths
        count = len(self._order)
        if warm:
            longest = run.training.warm_seconds * per_second
            count = max(1, int(np.searchsorted(lengths[self._order], longest, side="right")))
        at = int(chance.integers(count))
        longest = int(lengths[self._order[at]])
        budget = run.training.batch_seconds * per_second
        slack = int(chance.integers(int(run.training.slack * per_second) + 1))
        width = -(-(longest + slack) // _GRID) * _GRID
        rows = max(1, int(budget / width))
        # All that are a little shorter fit in.
        pool = self._order[max(0, at + 1 - rows * _NEIGHBOURS) : at + 1]
        clips = [self._row(width, pool, chance) for _ in range(rows)]
        silence = float(np.log(run.mel.offset))
        x = torch.full((rows, width, run.mel.bins), silence)
        tokens = [text.encode(clip.transcript) for clip in clips]
        for row, clip in zip(x, clips, strict=True):
            begin = int(chance.integers(width - len(clip.frames) + 1))
            row[begin : begin + len(clip.frames)] = torch.from_numpy(clip.frames.astype(np.float32))
        generator = torch.Generator().manual_seed(int(chance.integers(1 << 62)))
        plan = [plan for plan in run.augmentation if plan.from_step <= step][-1]
        changed = augment.apply(x.transpose(1, 2).contiguous(), run.mel, plan, generator)
        targets = torch.tensor([token for row in tokens for token in row])
        return Batch(changed, targets, torch.tensor([len(row) for row in tokens]))

    def _row(self, width: int, pool: np.ndarray, chance: np.random.Generator) -> Clip:
        """A recorded clip in its share of rows where one fits, else a synthetic one."""
        choice, bound = chance.random(), 0.0
        for (recorded, corpus), order, share in zip(
            self.sources.recorded, self._recorded_orders, self._shares, strict=True
        ):
            bound += share
            if choice < bound:
                if recorded.words:
                    return self._string(corpus, width, chance)
                # Only those that nearly fill the row: a short one would be mostly silence.
                low, high = np.searchsorted(corpus.lengths[order], [width * 0.6, width + 1])
                if low < high:
                    return corpus[int(order[int(chance.integers(low, high))])]
                break
        return self.sources.synthetic[int(pool[int(chance.integers(len(pool)))])]

    def _string(self, corpus: Corpus, width: int, chance: np.random.Generator) -> Clip:
        """Words of one speaker with gaps, as many as fit or fewer."""
        speakers = self._words[id(corpus)]
        pool = speakers[int(chance.integers(len(speakers)))]
        fewest = [corpus[int(pool[int(chance.integers(len(pool)))])]]
        parts: list[Frames] = [fewest[0].frames[:width]]
        said, used, wanted = [fewest[0].transcript], len(parts[0]), int(chance.integers(1, 10))
        silence = np.log(self.run.mel.offset)
        while len(said) < wanted:
            clip = corpus[int(pool[int(chance.integers(len(pool)))])]
            gap = int(chance.integers(_LEAST_GAP, _LARGEST_GAP))
            if used + gap + len(clip.frames) > width:
                break
            parts += [np.full((gap, clip.frames.shape[1]), silence, np.float16), clip.frames]
            said.append(clip.transcript)
            used += gap + len(clip.frames)
        return Clip(np.concatenate(parts), " ".join(said), fewest[0].source)


def _by_speaker(corpus: Corpus) -> list[np.ndarray]:
    sources = np.array(corpus.sources)
    return [np.flatnonzero(sources == speaker) for speaker in sorted(set(corpus.sources))]
