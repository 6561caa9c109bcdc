"""On what is measured: lists of pairs, and how good their ground truth is."""
