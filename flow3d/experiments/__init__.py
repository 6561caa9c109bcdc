"""Experiments that train and measure in one go: the paper's ablations, and earlier methods beside ours."""
