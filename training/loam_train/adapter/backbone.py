"""Adapters on the backbone, by what the data asks for."""

from __future__ import annotations

from ..errors import InputError
from .foundation import component
from .request import Request, Trained


def train(request: Request) -> Trained:
    """Trains a classifier, a writer, or one that answers about files.

    Raises:
        InputError: for rows or a task that the backbone does not take.
    """
    from . import answer, classify, generate

    modality, task = next(iter(request.data.examples())).modality, request.data.task
    of_text = {"classify": classify.train, "generate": generate.train}
    trainers = of_text if modality == "text" else {"answer": answer.train}
    if task not in trainers:
        known = " or ".join(trainers)
        reason = f"task is {task!r}; of rows that are {modality} the {request.component} learns {known}"
        raise InputError(request.data.path, reason)
    base = component(request.foundation, request.component)
    trained = trainers[task](request, base)
    trained.task["base"] = {request.component: base.fingerprint}
    return trained
