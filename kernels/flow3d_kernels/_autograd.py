"""Functions with a written-out backward pass: applied without overhead, and differentiable a second time."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

# A release that keeps these elsewhere is taken to be transforming, and to have a mode: what is slower is always right.
_transformed: Callable[[], bool] = getattr(torch._C, "_are_functorch_transforms_active", lambda: True)
_modes: Callable[[], int] = getattr(torch._C, "_len_torch_dispatch_stack", lambda: 1)
PLAIN = (Tensor, torch.nn.Parameter)


class Function(torch.autograd.Function):
    """An autograd.Function for small tensors, where binding arguments to names would take longer than the work."""

    @classmethod
    def of(cls, *args: Any) -> Any:
        """What ``apply`` does; outside torch.func it goes straight to autograd, which takes a quarter of the time."""
        straight: Any = super(torch.autograd.Function, cls)
        return cls.apply(*args) if _transformed() else straight.apply(*args)


def function_of(
    forward: Callable[..., Any], setup_context: Callable[..., None], backward: Callable[..., Any]
) -> type[Function]:
    """A function of what a registered operation is made of as well."""
    parts = {"forward": forward, "setup_context": setup_context, "backward": backward}
    return type("Function", (Function,), {name: staticmethod(part) for name, part in parts.items()})


def quickest(operation: Callable[..., Any], function: type[Function], *tensors: Tensor | None) -> Callable[..., Any]:
    """A registered operation where somebody looks at it; else, in a fraction of its overhead, what it is made of."""
    if not eager(*tensors):
        return operation
    return function.of if wanted(*tensors) else function.forward


def eager(*tensors: Tensor | None) -> bool:
    """Whether nobody records, transforms or replaces what is done with these tensors."""
    if torch.compiler.is_compiling() or _transformed() or _modes():
        return False
    return all(tensor is None or type(tensor) in PLAIN for tensor in tensors)


def wanted(*tensors: Tensor | None) -> bool:
    """Whether somebody may ask for the gradient of one of these."""
    if torch.is_grad_enabled():
        for tensor in tensors:
            if tensor is not None and tensor.requires_grad:
                return True
    return False


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
