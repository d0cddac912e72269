"""Which sets have a model beside the foundation that is timed, and how it is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..baseline import sources
from ..data.published import place_of, rows
from ..own.edits import Edits
from ..own.extract import Extract
from ..own.nearest import Nearest
from ..own.spans import Spans
from ..own.tasks import asked_of_xquad
from . import networks, texts
from .peer import Ready
from .speech import sphinx

Make = Callable[[Path], Ready]
"""From the folder of all sets."""


def _motion(name: str) -> Make:
    return lambda root: networks.forest(sources.from_set(sources.run_file("imu"), name, root))


def _falls(root: Path) -> Ready:
    return networks.forest(networks.falls(sources.from_set(sources.run_file("imu"), "sisfall", root)))


def _network(modality: str, classes: int) -> Make:
    return lambda _: networks.convolutions(modality, classes)


def _sentences(name: str) -> Make:
    return lambda root: networks.sentences(texts.problem(name, root))


def _words(name: str) -> Make:
    return lambda root: texts.words(name, root)


def _linear(key: str) -> Make:
    return lambda root: texts.linear(key, root)


def _unet(kind: str) -> Make:
    return lambda _: networks.unet(kind)


def _questions(root: Path) -> Ready:
    found = [row for row in rows(place_of(root, "multimodal/easy_vqa"), "manifest") if row["split"] == "train"]
    answers = len({row["answer"] for row in found})
    return networks.questions(tuple(row["question"] for row in found), answers)


def _xquad(root: Path) -> Ready:
    return texts.written("squad", Spans(), root, asked_of_xquad(root)[0])


_LINEAR = (
    "nlp/tweeteval_emoji", "nlp/ag_news", "nlp/banking77", "nlp/cola", "nlp/mrpc", "nlp/rte", "nlp/snli",
    "nlp/tweeteval_hate", "nlp/tweeteval_irony", "nlp/tweeteval_offensive", "nlp/imdb", "nlp/boolq_closed",
    "nlp/snips:intent",
)  # fmt: skip

PEERS: dict[str, Make] = {
    "nlp/sst2": _words("sst2"),
    "nlp/clinc150": _words("clinc150"),
    "nlp/trec_qc": _sentences("trec_qc"),
    "nlp/sms_spam": _sentences("sms_spam"),
    "nlp/tweeteval_emotion": _sentences("tweeteval_emotion"),
    "nlp/slurp_text:topic": _sentences("slurp_topic"),
    "cv/mnist": _network("image", 10),
    "cv/fashion_mnist": _network("image", 10),
    "cv/cifar10": _network("image", 10),
    "cv/gtsrb": _network("image", 43),
    "cv/flowers5": _network("image", 5),
    "audio/fsdd": _network("sound", 10),
    "audio/esc10": _network("sound", 10),
    "audio/emodb": _network("sound", 7),
    "sensing/sisfall": _network("imu", 34),
    "sensing/utd_mhad_inertial": _network("imu", 27),
    "sensing/wisdm51_watch": _motion("wisdm51_watch"),
    "sensing/wisdm51_phone": _motion("wisdm51_phone"),
    "sensing/sisfall:falls": _falls,
    "multimodal/easy_vqa": _questions,
    **{key: _linear(key) for key in _LINEAR},
    "nlp/multi30k@T4": lambda root: texts.written("multi30k_de", Nearest(), root),
    "nlp/multi30k@T5": lambda root: texts.written("multi30k_en", Nearest(), root),
    "nlp/conala": lambda root: texts.written("conala", Nearest(), root),
    "nlp/conala:explain": lambda root: texts.written("conala_doc", Nearest(), root),
    "nlp/jfleg": lambda root: texts.written("jfleg", Edits(), root),
    "nlp/dialogsum": lambda root: texts.written("dialogsum", Extract(), root),
    "nlp/squad_small": lambda root: texts.written("squad", Spans(), root),
    "nlp/xquad_en": _xquad,
    "scenes/detection": _unet("things"),
    "scenes/segmentation": _unet("scene"),
    "scenes/counting": _unet("crowd"),
    "scenes/matting": _unet("portrait"),
    "audio/ljspeech_small": sphinx,
}
"""By the key that `bench/eai/baselines.json` and `models/results.json` go by."""
