"""A graph lacks no part silently: what the recorder cannot follow it refuses by name."""

import pytest
import torch
from torch import Tensor

from flow3d.export.recorder import getter


def test_what_follows_no_input_is_a_constant(both):
    weight = torch.randn(3, 4)

    def function(x: Tensor) -> Tensor:
        grid = torch.linspace(-1, 1, x.shape[1]).exp() * torch.ones_like(x)
        return x + (weight @ weight.T)[:1, :2].sum() * grid

    (plain,), (exported,), model = both(function, torch.randn(1, 5))
    torch.testing.assert_close(exported, plain)
    assert [node.op_type for node in model.graph.node] == ["Add", "Identity"]
    assert len(model.graph.initializer) == 1


def test_an_input_may_be_an_output(both):
    (plain,), (exported,), _ = both(lambda x: x, torch.randn(1, 2))
    assert torch.equal(plain, exported)


def test_one_shape_after_another_is_one_reshape(both):
    def function(x: Tensor) -> Tensor:
        return x.flatten(1).unsqueeze(0).squeeze(0).view(1, 3, 4).tanh() if x.ndim > 2 else x

    with pytest.raises(ValueError, match=r"got torch\.Tensor\.tanh"):  # only torch.tanh is called by a network
        both(function, torch.randn(1, 2, 6))
    _, _, model = both(lambda x: torch.tanh(x.flatten(1).unsqueeze(0).squeeze(0).view(1, 3, 4)), torch.randn(1, 2, 6))
    assert [node.op_type for node in model.graph.node] == ["Reshape", "Tanh", "Identity"]


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda x: torch.fft.fft(x).real, r"functions that can be exported, got torch\.fft"),
        (lambda x: x if x.sum(1) > 0 else -x, r"functions that can be exported, got torch\.Tensor\.(__gt__|gt)"),
        (lambda x: x * x.clamp(0, 1).mean(1).item(), r"functions that can be exported, got torch\.Tensor\.item"),
        (lambda x: x.mul_(2.0), r"functions that can be exported, got torch\.Tensor\.mul_"),
        (lambda x: torch.nn.functional.relu(x, inplace=True), r"a new tensor, got one that works in place"),
        (lambda x: x.double(), r"functions that can be exported, got torch\.Tensor\.double"),
        (
            lambda x: x + torch.ones(2, dtype=torch.float64),
            r"expected float32 in an exported graph, got torch\.float64",
        ),
        (
            lambda x: x.mean(1, dtype=torch.float32),
            r"arguments of torch\.Tensor\.mean that can be exported: .*'dtype'",
        ),
        (lambda x: x[torch.tensor([0])], r"expected ranges and numbers as an index"),
        (lambda x: x[:, [1, 0]], r"expected ranges and numbers as an index"),
    ],
    ids=["unknown", "branch", "number", "in place", "activation in place", "type", "mixed", "option", "tensor", "list"],
)
def test_what_cannot_be_followed_is_named(both, function, named):
    with pytest.raises(ValueError, match=named):
        both(function, torch.randn(1, 2))


def test_an_attribute_is_read_by_one_function():
    assert getter("mT")(torch.zeros(2, 3)).shape == (3, 2)
