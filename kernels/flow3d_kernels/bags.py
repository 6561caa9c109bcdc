"""Weighted sums of eight rows each, by F.embedding_bag, with gradients that take less than PyTorch's own."""

from typing import Any

import torch
from torch import Tensor

from ._autograd import Function

INDEXED = 2**28  # voxels from which on eight indices for each of them need 64 bits: F.embedding_bag counts them all


def integer_for(voxels: int) -> torch.dtype:
    """The type of the rows' numbers."""
    return torch.int32 if voxels < INDEXED else torch.int64


def summed(rows: Tensor, index: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
    """Rows (R, C), index and weight (P, 8) -> the sums (P, C), and PyTorch's bookkeeping; last, the starts."""
    starts = torch.arange(0, index.numel(), 8, dtype=index.dtype, device=index.device)
    found = torch.ops.aten._embedding_bag(rows, index.view(-1), starts, False, 0, False, weight.view(-1))
    return *found, starts


def owed_to_rows(grad: Tensor, index: Tensor, weight: Tensor, count: int) -> Tensor:
    """The gradient of ``count`` rows, (count, C), from that of the sums, (P, C), on a CPU: bags again, of the sums.

    Sorted by the row that they were read from, the readers of a row lie side by side. The order is always the same.
    """
    flat = index.view(-1)
    readers = flat.sort(stable=True).indices
    sizes = torch.bincount(flat, minlength=count)
    share = weight.view(-1).index_select(0, readers)
    starts = sizes.cumsum(0).sub_(sizes)
    return torch.ops.aten._embedding_bag(grad, readers.bitwise_right_shift_(3), starts, False, 0, False, share)[0]


def owed_to_weight(grad: Tensor, rows: Tensor, index: Tensor, bookkeeping: tuple[Tensor, ...]) -> Tensor:
    """The gradient of the weights, (P, 8): products of a row with the gradient of its sum."""
    bag_of, *_, starts = bookkeeping
    products = torch.ops.aten._embedding_bag_per_sample_weights_backward(grad, rows, index.view(-1), starts, bag_of, 0)
    return products.view(index.shape)


class BagsOfRows(Function):
    """The sums, which can be differentiated twice."""

    @staticmethod
    def forward(rows: Tensor, index: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
        """What ``summed`` says."""
        return summed(rows, index, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        """Keep the inputs and PyTorch's bookkeeping."""
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs, *output[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """Fused gradients; plain operations where somebody wants to differentiate them again."""
        grad = grads[0]
        if grad is None:
            return None, None, None
        rows, index, weight, *bookkeeping = ctx.saved_tensors
        wants_rows, _, wants_weight = ctx.needs_input_grad
        grad = grad.contiguous()
        grad_rows = grad_weight = None
        if torch.is_grad_enabled():
            if wants_rows:
                owed = weight[..., None] * grad[:, None]  # (P, 8, C)
                grad_rows = torch.zeros_like(rows).index_add(0, index.flatten(), owed.flatten(0, 1))
            if wants_weight:
                grad_weight = (rows[index] * grad[:, None]).sum(-1)
            return grad_rows, None, grad_weight
        if wants_rows and grad.device.type == "cpu":
            grad_rows = owed_to_rows(grad, index, weight, len(rows))
        elif wants_rows:
            bag_of, sizes, largest, starts = bookkeeping
            known = (index.view(-1), starts, bag_of, sizes, largest, len(rows), False, 0, False, weight.view(-1), -1)
            grad_rows = torch.ops.aten._embedding_bag_backward(grad, *known)
        if wants_weight:
            grad_weight = owed_to_weight(grad, rows, index, tuple(bookkeeping))
        return grad_rows, None, grad_weight
