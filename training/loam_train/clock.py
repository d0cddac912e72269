"""How long something was computed."""

from __future__ import annotations

import time

import torch


def computed() -> float:
    """Seconds of computing of one of torch's threads: what others run on the machine costs a run no steps."""
    return time.process_time() / max(1, torch.get_num_threads())
