"""The processes that share a training, one for each card, or several on the processor."""

from __future__ import annotations

import os
from typing import Any

import torch


def accelerator(*handlers: Any) -> Any:
    """The Accelerator of this process, in full precision.

    Without a card, Accelerate treats the processes that torchrun has started as separate trainings, unless ``cpu`` is
    set.

    Args:
        handlers: Accelerate's ``kwargs_handlers``.
    """
    from accelerate import Accelerator

    on_processor = "LOCAL_RANK" in os.environ and not torch.accelerator.is_available()
    return Accelerator(mixed_precision="no", cpu=on_processor, kwargs_handlers=list(handlers))
