"""The exercises, one module per notebook (``notebook_02.py``), each with a list named ``EXERCISES``."""
