"""The two operations as fused Triton kernels: imported only where Triton is to run, so that nobody else needs it."""
