"""A run on a tiny corpus: batches, resuming, export, scores."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from loam_train import places
from loam_train.errors import InputError
from loam_train.speech import augment, batches, component, corpus, data, loop, mel, network, score, settings, text
from loam_train.speech.augment import Augmentation
from loam_train.speech.batches import Batches
from loam_train.speech.corpus import Clip
from loam_train.speech.settings import Run
from loam_train.towers.network import parameters

CONFIG = """
name = "tiny"
[mel]
rate = 16000
transform = 256
hop = 160
bins = 16
low = 60.0
high = 7600.0
offset = 1e-6
scale = 3.0
[network]
window = 400
dim = 4
stages = [
  { type = "conv", outputs = 12, kernel = [5], stride = [2], padding = [2], bias = false },
  { type = "batch_norm" }, { type = "activation", kind = "relu" },
  { type = "residual", body = [{ type = "conv", outputs = 12, kernel = [3], padding = [1] }] },
  { type = "conv", outputs = 12, kernel = [3], stride = [2], padding = [1] },
]
[script]
seed = 1
hours = 0.01
longest = 80
rate = [0.9, 1.1]
warp = [0.95, 1.05]
[[script.texts]]
folder = "digits"
licence = "made up"
weight = 1.0
[[script.casts]]
engine = "espeak"
licence = "free"
weight = 1.0
voices = ["en-us"]
[[recorded]]
folder = "audio/words"
licence = "made here"
weight = 0.3
words = true
speeds = [1.0]
[[recorded]]
folder = "audio/talk"
licence = "made here"
weight = 0.3
speeds = [1.0]
[[augmentation]]
from_step = 0
warp = 0.1
colour = 1.0
band = 0.3
echo = 0.3
noise = 0.7
noise_below = 1.2
gain = 2.0
masks = 2.0
[training]
seed = 3
minutes = 5.0
steps = 6
batch_seconds = 8.0
slack = 0.3
warm_seconds = 1.0
learning_rate = 1e-2
weight_decay = 0.01
warmup_steps = 2
clip = 1.0
checkpoint_steps = 2
bfloat16 = false
[scores]
strings = 4
longest = 3
voices = 0.001
beam = 3
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def run(config: Path) -> Run:
    return settings.read(config)


@pytest.fixture
def work(tmp_path: Path, run: Run) -> Path:
    """A cache with corpora of random spectrograms."""
    chance = np.random.default_rng(0)

    def clips(count: int, longest: int, speakers: int) -> list[Clip]:
        lengths = chance.integers(40, longest, count)
        return [
            Clip(
                chance.normal(-6, 2, (n, 16)).astype(np.float16), "ab" * int(chance.integers(1, 4)), f"s{i % speakers}"
            )
            for i, n in enumerate(lengths)
        ]

    folder = data.folder(run, tmp_path)
    corpus.write(folder / "train", clips(40, 250, 3))
    corpus.write(folder / "words", clips(20, 60, 2))
    corpus.write(folder / "talk", clips(10, 250, 1))
    return tmp_path


def _batches(run: Run, work: Path) -> Batches:
    return Batches(data.sources(run, work), run)


def test_batches_follow_from_seed_and_step(run: Run, work: Path) -> None:
    first, again = _batches(run, work), _batches(run, work)
    for step in (0, 7):
        a, b = first.draw(step, warm=False), again.draw(step, warm=False)
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.targets, b.targets)
    other = dataclasses.replace(run, training=dataclasses.replace(run.training, seed=4))
    assert not torch.equal(
        _batches(other, work).draw(0, warm=False).x[:1, :, :30], first.draw(0, warm=False).x[:1, :, :30]
    )


def test_rows_are_sound_and_short_while_the_run_warms_up(run: Run, work: Path) -> None:
    drawn = _batches(run, work)
    for step in range(20):
        batch = drawn.draw(step, warm=True)
        rows, bins, frames = batch.x.shape
        assert bins == 16
        assert frames % 32 == 0
        assert frames <= 160
        assert rows * frames <= 800
        assert len(batch.lengths) == rows
        assert batch.lengths.sum() == len(batch.targets)
        assert batch.x.isfinite().all()


def test_strings_are_of_one_speaker(run: Run, work: Path) -> None:
    only = dataclasses.replace(run, recorded=[dataclasses.replace(run.recorded[0], weight=0.99)])
    drawn = Batches(data.sources(only, work), only)
    assert any(1 in drawn.draw(step, warm=False).targets.tolist() for step in range(3))


def test_no_augmentation_is_the_normalised_spectrogram(run: Run) -> None:
    still = Augmentation(
        from_step=0, **dict.fromkeys(("warp", "colour", "band", "echo", "noise", "noise_below", "gain", "masks"), 0.0)
    )
    x = torch.randn(3, 16, 50).exp().log() - 4
    found = augment.apply(x, run.mel, still, torch.Generator().manual_seed(0))
    assert torch.allclose(found, mel.normalised(x, run.mel), atol=1e-3)
    changed = augment.apply(x, run.mel, run.augmentation[0], torch.Generator().manual_seed(0))
    assert not torch.allclose(found, changed, atol=0.1)


class _Stopped(Batches):
    """Batches until somebody interrupts."""

    def __init__(self, batches: Batches, steps: int) -> None:
        self._batches, self._left = batches, steps

    def draw(self, step: int, warm: bool) -> batches.Batch:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return self._batches.draw(step, warm)


def test_a_run_that_was_stopped_gives_what_one_that_was_not_gives(run: Run, config: Path, work: Path) -> None:
    def tower() -> nn.Module:
        torch.manual_seed(run.training.seed)
        return network.build(network.config(run), config)

    whole, begun, ended = tower(), tower(), tower()
    loop.train(whole, _batches(run, work), run, work / "a.pt")
    with pytest.raises(KeyboardInterrupt):
        loop.train(begun, _Stopped(_batches(run, work), 5), run, work / "b.pt")
    assert loop.train(ended, _batches(run, work), run, work / "b.pt").step == run.training.steps
    assert all(torch.equal(value, ended.state_dict()[name]) for name, value in whole.state_dict().items())


def test_checkpoints_of_other_runs_are_refused(run: Run, config: Path, work: Path) -> None:
    tower = network.build(network.config(run), config)
    loop.train(tower, _batches(run, work), run, work / "a.pt")
    other = dataclasses.replace(run, training=dataclasses.replace(run.training, learning_rate=1.0))
    with pytest.raises(InputError, match="other settings"):
        loop.train(tower, _batches(run, work), other, work / "a.pt")
    (work / "b.pt").write_bytes(b"nothing")
    with pytest.raises(InputError, match="no checkpoint"):
        loop.train(tower, _batches(run, work), run, work / "b.pt")


def test_towers_are_read_as_they_were_written(run: Run, config: Path, tmp_path: Path) -> None:
    tower = network.build(network.config(run), config).eval()
    component.write(tmp_path / "t", tower, run, {"steps": 1})
    found = component.read(tmp_path / "t")
    assert found.mel == run.mel
    assert found.vocabulary == text.VOCABULARY
    x = torch.randn(1, 16, 80)
    with torch.no_grad():
        assert torch.allclose(found.tower.frames(x), tower.frames(x), atol=5e-3)  # type: ignore[operator]
    stored = json.loads((tmp_path / "t/config.json").read_text())
    stored["ctc"]["mel"]["scale"] = "htk"
    (tmp_path / "t/config.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match="not of the kind"):
        component.read(tmp_path / "t")
    (tmp_path / "t/model.safetensors").write_bytes(b"\xff" * 40)
    stored["ctc"]["mel"]["scale"] = "slaney"
    (tmp_path / "t/config.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match="model.safetensors"):
        component.read(tmp_path / "t")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("bins = 16", "bins = 0", "mel.bins is 0, expected 1 to 512"),
        ("low = 60.0", "low = 9000.0", "mel.low is 9000.0"),
        ('engine = "espeak"', 'engine = "sox"', "engine is 'sox', expected one of espeak"),
        ("weight = 0.3\nwords", "weight = 0.9\nwords", "recorded: weight is [0.9, 0.3], expected below 1"),
        ("rate = [0.9, 1.1]", "rate = [0.2, 1.1]", "script.rate is [0.2, 1.1]"),
        ("speeds = [1.0]", "speeds = [3.0]", "words: speeds is [3.0]"),
        ("beam = 3", "beam = 99", "scores.beam is 99"),
        ("clip = 1.0", "clip = -1.0", "training.clip is -1.0"),
    ],
)
def test_mistakes_are_named(config: Path, old: str, new: str, said: str) -> None:
    config.write_text(config.read_text().replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        settings.read(config)
    assert str(config) in str(caught.value)
    assert said in str(caught.value)


def test_the_shipped_configuration_is_sound() -> None:
    path = places.ROOT / "training/configs/speech/speech.toml"
    shipped = settings.read(path)
    assert shipped.stride == 4
    # Of 11 MB in halves.
    assert parameters(network.build(network.config(shipped), path)) <= 5_400_000


def test_beams_sum_over_alignments_and_greedy_does_not() -> None:
    # The best path is blank, blank; "'" has three alignments that weigh more together.
    frames = torch.full((2, len(text.VOCABULARY)), -math.inf)
    frames[:, 0], frames[:, 2] = math.log(0.6), math.log(0.4)
    assert score.greedy(frames) == []
    assert score.beam(frames, 4) == [2]
    assert score.beam(torch.tensor([[-9.0, -9, 0], [0, -9, -9], [-9, -9, 0]]), 4) == [2, 2]


def test_error_rates() -> None:
    assert score.distance("kitten", "sitting") == 3
    found = score.errors(["one two", "three"], ["one too", "three four"])
    assert found.words == pytest.approx(66.67)
    assert found.utterances == 2
