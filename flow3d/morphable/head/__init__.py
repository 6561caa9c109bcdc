"""The procedural head: formulas, in an upright frame of their own."""
