"""The morphable model."""
