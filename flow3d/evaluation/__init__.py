"""Measurements of the synthetic world and of what is trained in it."""
