"""The gate of the benchmark: how far a row may be from the float64 reference, as (limit, reason).

At (1, 32, 16, 64, 64): absolute for values, and for gradients relative to the largest.
"""

GATE = {
    "warp3d channels-last": (
        2e-5,
        "the floor that the project sets; measured 1.1e-5, the rounding of a position near 64",
    ),
    "warp3d contiguous": (1e-4, "the floor that the project sets; measured 1.1e-5 where sizes are powers of two"),
    "adain3d channels-last": (4e-6, "measured 1.2e-6"),
    "adain3d contiguous": (4e-6, "measured 1.1e-6"),
    "bfloat16 values": (4e-2, "results of up to 8 are rounded to 2^-9 of themselves; no run on a card yet"),
    "bfloat16 gradients": (1e-2, "rounded to 2^-9 of the largest; no run on a card yet"),
    "gradients": (1.2e-5, "measured 3.7e-6: a mask's gradient, sums over 32 channels of positions rounded near 64"),
}
