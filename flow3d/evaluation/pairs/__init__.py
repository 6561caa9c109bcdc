"""The pairs that are measured: their published lists, and how good their ground truth is."""
