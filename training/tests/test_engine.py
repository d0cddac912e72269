"""A tower trained here runs in the Rust engine, and both agree input by input. Needs the wheel, `loam` and a foundation."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from loam_train import places
from loam_train.towers import anchors, check, command, component, score
from loam_train.towers.modality import open_modality

LOAM = os.environ.get("LOAM", "loam")
PROBABILITY = 2e-3
"""Of difference: whitening is stored in fp16, and logits are cosines times 30."""

loam = pytest.importorskip("loam")
pytestmark = pytest.mark.skipif(
    shutil.which(LOAM) is None or not (places.foundation() / "foundation.json").exists(),
    reason="no loam command, or no installed foundation",
)


@pytest.mark.parametrize("name", ["imu", "image", "sound"])
def test_engine_and_torch_agree(name: str, tmp_path: Path) -> None:
    from loam_train.towers.engine import Engine, build_foundation

    made = tiny.make(name, tmp_path)
    run, data, text = made.run, made.load(), Engine(places.foundation())
    command.train(run, made.config, made.modality(), data, text.embed, tmp_path, tmp_path / "tower")
    out = tmp_path / "foundation"
    build_foundation(tmp_path / "tower", run.modality, "made here", places.foundation(), out, LOAM)
    engine, stored = Engine(out), component.read(tmp_path / "tower")
    modality = open_modality(run, made.config, stored.preprocessing)
    app = loam.Engine.open(out).attach("test")
    # Raw inputs differ in what the engine has to prepare: units, rates and signs; sizes and channels; lengths.
    for one in data:
        found = check.compare(one, stored, modality, engine, run.texts.deployed, len(one.test))
        assert found.agreement == 100
        assert found.difference <= check.TOLERANCE
        assert found.torch > 100 / found.classes
        given = [modality.engine_input(one, one.test, row) for row in range(len(one.test))]
        vectors = score.embed(stored, modality, one.test)
        cosines = (torch.from_numpy(np.stack([app.embed(each).vector for each in given])) * vectors).sum(1)
        assert cosines.min() > 0.999, f"{one.name}: {int(cosines.argmin())}"
        # The anchors are no output; probabilities follow from them and the embedding.
        aims = anchors.deployed(one.labels, run.texts.deployed, stored.transform, text.embed)
        expected = (run.network.logit_scale * vectors[:3] @ aims.T).softmax(1)
        for row, each in enumerate(given[:3]):
            told = {other.label: other.probability for other in app.classify(each, one.labels).scores}
            by_engine = torch.tensor([told[label] for label in one.labels])
            torch.testing.assert_close(by_engine, expected[row], atol=PROBABILITY, rtol=0)
