"""Small launches of every kernel, for compute-sanitizer to watch: both layouts, channels that vectors divide or not."""

import torch

from flow3d_kernels import adain3d, warp3d

FORMATS = (torch.contiguous_format, torch.channels_last_3d)


def main(device: str) -> None:
    for channels in (5, 32):
        for layout in FORMATS:
            volume = torch.randn(2, channels, 3, 6, 7, device=device).contiguous(memory_format=layout).requires_grad_()
            flow = (9 * torch.randn(2, 3, 3, 6, 7, device=device)).requires_grad_()
            mask = torch.rand(2, 1, 3, 6, 7, device=device).requires_grad_()
            for deterministic in (False, True):
                bent = warp3d(volume, flow, mask, deterministic=deterministic)
                style = volume.mean((2, 3, 4))
                adain3d(bent, style, volume, negative_slope=0.1, residual=volume).sum().backward()
    # Few rows of more than 16,384 voxels, which no tile covers in two steps, are cut into parts.
    for channels, layout in ((5, FORMATS[0]), (5, FORMATS[1]), (32, FORMATS[1])):
        x = torch.randn(1, channels, 8, 46, 47, device=device).contiguous(memory_format=layout).requires_grad_()
        style = x.mean((2, 3, 4))
        adain3d(x, style, style).sum().backward()
    if device == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main("cuda")
