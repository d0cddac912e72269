"""Adapters on the backbone, by what the data asks for."""

from __future__ import annotations

from ..errors import InputError
from .foundation import component
from .request import Request, Trained


def train(request: Request) -> Trained:
    """Trains a classifier or a writer.

    Raises:
        InputError: for rows that are not text, or a task that a backbone alone does not do.
    """
    from . import classify, generate

    modality = next(iter(request.data.examples())).modality
    if modality != "text":
        raise InputError(request.data.path, f"the rows are {modality}, the {request.component} reads text")
    trainers = {"classify": classify.train, "generate": generate.train}
    if request.data.task not in trainers:
        raise InputError(
            request.data.path, f"task is {request.data.task!r}, the backbone learns {' or '.join(trainers)}"
        )
    base = component(request.foundation, request.component)
    trained = trainers[request.data.task](request, base)
    trained.task["base"] = {request.component: base.fingerprint}
    return trained
