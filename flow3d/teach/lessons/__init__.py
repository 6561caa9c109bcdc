"""Helpers of single lessons, one module per notebook (``lesson_03.py`` serves notebook 03)."""
