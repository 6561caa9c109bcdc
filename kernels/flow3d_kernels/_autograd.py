"""Functions with a written-out backward pass: applied without overhead, and differentiable a second time."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

_transformed: Callable[[], bool] = getattr(torch._C, "_are_functorch_transforms_active", lambda: True)


class Function(torch.autograd.Function):
    """An autograd.Function for small tensors, where binding arguments to names would take longer than the work."""

    @classmethod
    def of(cls, *args: Any) -> Any:
        """What ``apply`` does; outside torch.func it goes straight to autograd, which takes a quarter of the time."""
        straight: Any = super(torch.autograd.Function, cls)
        return cls.apply(*args) if _transformed() else straight.apply(*args)


def wanted(*tensors: Tensor | None) -> bool:
    """Whether somebody may ask for the gradient of one of these."""
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


def gradients_of(
    formula: Callable[..., Tensor], tensors: Sequence[Tensor | None], grad: Tensor
) -> tuple[Tensor | None, ...]:
    """Gradients that can be differentiated again: PyTorch's own, of the formula that a function stands for."""
    given = [index for index, tensor in enumerate(tensors) if tensor is not None]

    def of_given(*some: Tensor) -> Tensor:
        everything = list(tensors)
        for index, tensor in zip(given, some, strict=True):
            everything[index] = tensor
        return formula(*everything)

    pull: Any = torch.func.vjp(of_given, *(tensors[index] for index in given))[1]
    grads: list[Tensor | None] = [None] * len(tensors)
    for index, found in zip(given, pull(grad), strict=True):
        grads[index] = found
    return tuple(grads)
