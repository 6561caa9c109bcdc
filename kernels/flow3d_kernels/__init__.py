"""Fused 3D warp and 3D AdaIN."""
