"""Functions with a written-out backward pass do what autograd's own do.

Tests: _autograd.
"""

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from flow3d_kernels._autograd import Function, eager, function_of, gradients_of, quickest, wanted


class Square(Function):
    """x^2, with a gradient that counts how often it is asked for."""

    asked = 0

    @staticmethod
    def forward(x):
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx, *grads):
        (grad,) = grads
        Square.asked += 1
        (x,) = ctx.saved_tensors
        if torch.is_grad_enabled():
            return gradients_of(lambda x, _: x * x, (x, None), grad)[0]
        return 2 * x * grad


def test_a_function_is_applied_with_and_without_torch_func():
    Square.asked, x = 0, torch.tensor([1.0, 2.0], requires_grad=True)
    assert torch.autograd.grad(Square.of(x).sum(), x)[0].tolist() == [2, 4]
    assert torch.func.grad(lambda x: Square.of(x).sum())(x.detach()).tolist() == [2, 4]
    assert Square.asked == 2


def test_gradients_are_differentiated_again():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (slope,) = torch.autograd.grad(Square.of(x).pow(2).sum(), x, create_graph=True)  # 4 x^3
    assert slope.tolist() == [4, 32]
    assert torch.autograd.grad(slope.sum(), x)[0].tolist() == [12, 48]
    twice = torch.func.grad(lambda x: torch.func.grad(lambda x: Square.of(x).sum())(x).sum())
    assert twice(x.detach()).tolist() == [2, 2]


def test_what_nobody_wants_is_no_reason():
    x = torch.zeros(1, requires_grad=True)
    assert wanted(None, x)
    assert not wanted(x.detach(), None)
    with torch.no_grad():
        assert not wanted(x)


class Own(torch.Tensor):
    """A tensor of somebody's class."""


def test_who_looks_on_gets_the_registered_operation():
    x = torch.zeros(1)
    assert eager(x, None, torch.nn.Parameter(x))
    assert not eager(x, x.as_subclass(Own))
    with FakeTensorMode():
        assert not eager(x)
    seen = []
    torch.func.grad(lambda x: (seen.append(eager(x)), x.sum())[1])(x)
    assert seen == [False]
    assert torch.compile(lambda x: x + eager(x), backend="eager", fullgraph=True)(x) == 0


def test_the_quickest_way_is_the_one_that_suffices():
    function = function_of(Square.forward, Square.setup_context, Square.backward)
    x = torch.tensor([3.0])

    def registered(x):
        raise AssertionError

    assert quickest(registered, function, x)(x).tolist() == [9]
    assert not quickest(registered, function, x)(x).requires_grad
    x.requires_grad_()
    assert torch.autograd.grad(quickest(registered, function, x, None)(x), x)[0].tolist() == [6]
    assert quickest(registered, function, x.as_subclass(Own)) is registered
