"""One module per command of ``flow3d``; :mod:`flow3d.__main__` is their table."""
