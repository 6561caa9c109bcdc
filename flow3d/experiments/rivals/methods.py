"""Rivals and baselines as methods: they receive windows, and look the driving picture up where they need it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ...datasets import Pair
from ...evaluation.measure.edits import edit_coefficients, true_edits
from ...evaluation.measure.method import Method, Reenacted
from ...evaluation.measure.pair_rows import Pairs
from ...sizes import WINDOW
from .base import Request, Rival, check_request

Key = tuple[bytes, bytes]  # the source picture and the driving window


def key_of(source: Float[Tensor, "3 S S"], window: Float[Tensor, "73 27"]) -> Key:
    """The key under which a driving picture is looked up."""
    return source.contiguous().numpy().tobytes(), window.contiguous().numpy().tobytes()


def edit_frames(seeds: Sequence[int], size: int) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
    """Every frame that :func:`~flow3d.evaluation.measure.edits.measure_edits` uses: seed, source, window, truth."""
    windows = edit_coefficients().values[:, :, None].repeat(1, 1, WINDOW)
    for seed in seeds:
        images = true_edits(seed, size).images
        yield from ((seed, images[0], window, image) for window, image in zip(windows, images, strict=True))


class DrivingPictures:
    """The driving pictures of lists of pairs, and of the edits of some identities.

    In self-ID and in an edit the driving picture is the answer itself; in cross-ID it is another person's.
    """

    def __init__(self, lists: Mapping[str, Pairs], seeds: Sequence[int], size: int) -> None:
        self.pictures: dict[Key, Tensor] = {}
        for pair in (pair for pairs in lists.values() for pair in pairs.values()):
            self.pictures[key_of(pair.source, pair.driving_window)] = pair.driving
        for _, source, window, image in edit_frames(seeds, size):
            self.pictures[key_of(source, window)] = image

    def __call__(self, source: Float[Tensor, "3 S S"], windows: Float[Tensor, "B 73 27"]) -> Float[Tensor, "B 3 S S"]:
        """The pictures that drive a source.

        Raises:
            ValueError: a window that belongs to none of the lists.
        """
        keys = [key_of(source, window) for window in windows]
        if any(key not in self.pictures for key in keys):
            raise ValueError("windows: expected those of the lists that the drivers were made from, got another")
        return torch.stack([self.pictures[key] for key in keys])


def rival_method(network: Rival, drivers: DrivingPictures) -> Method:
    """A rival as a method. It paints the whole frame, so its matte is 1 everywhere."""

    @torch.no_grad()
    def method(source: Tensor, alpha: Tensor, source_window: Tensor, windows: Tensor) -> Reenacted:
        count = len(windows)
        driving = drivers(source, windows) if network.driven_by == "picture" else source.expand(count, -1, -1, -1)
        request = Request(source.expand(count, -1, -1, -1), source_window.expand(count, -1, -1), driving, windows)
        check_request(request, source.shape[-1])
        output, motion = network(request)
        return Reenacted(output, torch.ones_like(output[:, :1]), motion.flow)

    return method


Picture = Callable[[Pair], tuple[Tensor, Tensor | None]]


def oracle_method(lists: Mapping[str, Pairs], picture: Picture) -> Method:
    """A method that knows the pairs: it returns ``picture`` of a pair, with its flow if any; else the plain source."""
    pairs = {key_of(p.source, p.driving_window): p for pairs in lists.values() for p in pairs.values()}

    def method(source: Tensor, alpha: Tensor, source_window: Tensor, windows: Tensor) -> Reenacted:
        if (pair := pairs.get(key_of(source, windows[0]))) is None:
            return Reenacted(source.expand(len(windows), -1, -1, -1), alpha.expand(len(windows), -1, -1, -1))
        output, flow = picture(pair)
        return Reenacted(output[None], torch.ones_like(alpha)[None], None if flow is None else flow[None, :2])

    return method
