"""One training step: a batch -> the raw terms of Eq. 9, and those of the extensions that are switched on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ..datasets.batch import Batch
from ..morphable import PARTS
from ..morphable.volume import VolumeGrid
from ..renderer import FlowRenderer
from ..stages import Prepared, Projected
from ..synthesis import Refined, cut_out
from ..warping import Flow, Warped
from .config import TrainingConfig
from .flow_losses import HIDDEN, loss_depth, loss_flow, loss_volume
from .losses import Scalar, cyclic_warp, loss_3df, loss_3dw, loss_cw, loss_inp, loss_pr, loss_pw, loss_sr
from .perceptual import Images, Perceptual, region_distance

REST = 0.6  # the weight of pixels beside the face, where its skin has 1.6
EAR = 3.0  # the weight of ears, which are few pixels, and newly visible in most turns
SURE = 0.2  # the weight of the mask where the source shows the point: paint may be right there too, but softer


class TrainingStep(nn.Module):
    """The renderer and its losses as one module, so that several processes can share the work.

    Args:
        renderer: the renderer to train.
        config: phase and switches.
        judge: the perceptual distance.
    """

    depths: Tensor

    def __init__(self, renderer: FlowRenderer, config: TrainingConfig, judge: Perceptual) -> None:
        super().__init__()
        self.renderer, self.config, self.judge = renderer, config, judge
        self.register_buffer("depths", VolumeGrid(slices=renderer.config.volume[0]).depths(), persistent=False)

    def forward(self, batch: Batch, step: int) -> dict[str, Scalar]:
        """Return the raw terms of this step by name; phase, switches and step decide which."""
        batch = batch if self.renderer.config.separate else unseparated(batch)
        weight = region_weight(batch, self.config.region_weights)
        if step < self.config.warmup_steps:
            return self._flow_alone(batch, step, weight)
        frozen = step < self.config.frozen_steps
        renderer = self.renderer
        answer = self.judge.target(batch.target_foreground)
        with torch.no_grad() if frozen else nullcontext():
            start, z = renderer.mapping(batch.source_window), renderer.mapping(batch.target_window)
            encoded = renderer.warping.encode(cut_out(batch.source, batch.source_alpha))
            warped = renderer.warping(encoded, z, start)
        wider = step % (self.config.hole_dilation + 1)
        source = renderer.ready(batch.source, batch.source_alpha, start, encoded, wider)
        terms = {} if frozen else self._warping(batch, step, weight, answer, source, warped)
        if self.config.phase == 1:  # the inpainter learns on true persons, since no refiner is trained yet
            person = Projected(batch.target_foreground, batch.target_alpha)
        else:
            person = renderer.refine(source, z, warped)
            assert person.refined is not None
            terms |= self._refining(batch, weight, answer, person.refined)
        terms["inp"] = loss_inp(renderer.finish(source, z, warped, person).output, batch.target, self.judge)
        return terms

    def _flow_alone(self, batch: Batch, step: int, weight: Tensor | None) -> dict[str, Scalar]:
        """The exact flow; on some steps the autoencoder too, which needs no flow."""
        mapping, stage, every = self.renderer.mapping, self.renderer.warping, self.config.sparse_terms
        foreground = cut_out(batch.source, batch.source_alpha)
        start, z = mapping(batch.source_window), mapping(batch.target_window)
        motion = stage.estimate(foreground, stage.flow_network.lift(foreground), z, start)
        terms = self._flow(motion, batch, weight)
        if step % every == 1 % every:
            terms["3df"] = loss_3df(stage.decoder(stage.encoder(foreground)), foreground, self.judge)
        return terms

    def _warping(
        self, batch: Batch, step: int, weight: Tensor | None, answer: Images, source: Prepared, warped: Warped
    ) -> dict[str, Scalar]:
        """L_pw, L_3dw, L_3df and L_cw (Eq. 2 to 5), the exact flow and the warped pixels."""
        stage, config, every = self.renderer.warping, self.config, self.config.sparse_terms
        terms = {"pw": self._distance(loss_pw, warped.image, answer, weight)}
        if step % every == 0:
            target = stage.encoder(batch.target_foreground)
            terms["3dw"] = loss_3dw(warped.volume, target, target_detach=config.target_detach)
        if step % every == 1 % every:
            foreground = source.encoded.foreground
            terms["3df"] = loss_3df(stage.decoder(source.encoded.volume), foreground, self.judge)
        if every == 1 or step % (2 * every) == 3 % (2 * every):
            assert source.motion is not None
            again = self._stage_from(batch.target_window)
            back = cyclic_warp(again, warped.image, source.motion, cyclic_detach=config.cyclic_detach)
            terms["cw"] = loss_cw(back, source.encoded.foreground)
        terms |= self._flow(warped, batch, weight)
        if config.rgb_loss and warped.pixels is not None:
            seen = (HIDDEN + (1 - HIDDEN) * batch.visible) * (1.0 if weight is None else weight)
            terms["rgb"] = region_distance(self.judge, cut_out(warped.pixels, batch.target_alpha), answer, seen)
        return terms

    def _flow(self, motion: Flow | Warped, batch: Batch, weight: Tensor | None) -> dict[str, Scalar]:
        """The distances to the exact flow that are switched on, a frame's and a volume's."""
        config, terms = self.config, {}
        if config.flow_weight:
            terms["flow"] = loss_flow(motion, batch, weight, config.coarse_flow)
        if self.renderer.config.flow_dimensions == 2 or not (config.volume_weight or config.depth_weight):
            return terms  # a flow without depth cannot be right at every depth
        truth = batch.volume_truth(self.depths)
        if config.volume_weight:
            terms["volume"] = loss_volume(motion.flow, truth, self.depths[1] - self.depths[0], weight)
        if config.depth_weight and motion.shares is not None:
            terms["depth"] = loss_depth(motion.shares, truth, self.depths)
        return terms

    def _stage_from(self, window: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """The warping stage for pictures that show the motion of ``window``: picture, target motion -> picture."""
        stage, mapping = self.renderer.warping, self.renderer.mapping
        return lambda picture, z: stage(stage.encode(picture), z, mapping(window)).image

    def _refining(self, batch: Batch, weight: Tensor | None, answer: Images, refined: Refined) -> dict[str, Scalar]:
        """L_pr and L_sr (Eq. 7 and 8), and the extensions' matte, mask and painted layer."""
        config = self.config
        pyramid = self.judge.pyramid(refined.foreground)
        terms = {"pr": self._distance(loss_pr, pyramid, answer, weight), "sr": loss_sr(pyramid, answer, self.judge)}
        if config.alpha_loss and refined.alpha is not None:
            terms["alpha"] = (refined.alpha - batch.target_alpha).abs().mean()
        if config.mask_loss and refined.mask is not None:
            share = batch.target_alpha * torch.where(batch.visible > 0.5, SURE, 1.0)
            share = share if weight is None else share * weight
            terms["mask"] = functional.binary_cross_entropy(refined.mask, batch.visible, share)
        if config.painted_loss and refined.painted is not None:
            painted = cut_out(refined.painted, batch.target_alpha)
            terms["painted"] = self._distance(loss_pr, painted, answer, weight)
        return terms

    def _distance(
        self,
        plain: Callable[[Images, Images, Perceptual], Scalar],
        image: Images,
        answer: Images,
        weight: Tensor | None,
    ) -> Scalar:
        """The paper's loss ``plain``, or the same distance with a weight for each region."""
        if weight is None:
            return plain(image, answer, self.judge)
        return region_distance(self.judge, image, answer, weight)


def unseparated(batch: Batch) -> Batch:
    """The batch with background and person as one picture: both mattes are 1 everywhere (Tab. 3a)."""
    whole = torch.ones_like(batch.source_alpha)
    return replace(
        batch, source_alpha=whole, target_alpha=whole, source_foreground=batch.source, target_foreground=batch.target
    )


def region_weight(batch: Batch, weights: tuple[float, float] | None) -> Float[Tensor, "B 1 S S"] | None:
    """A weight (w + 0.6) / 1.6 for every pixel of the target; w is given for eyes and brows, and for the mouth; it is
    3 on the ears, 1 on the skin and 0 elsewhere."""
    if weights is None:
        return None
    features, mouth = weights
    total = torch.full_like(batch.target_alpha, REST)
    values = {"skin": 1.0, "ear": EAR, "brows": features, "eyes": features, "mouth": mouth}
    for name, value in values.items():
        total = total + value * (batch.labels == PARTS[name])
    return total / (1 + REST)
