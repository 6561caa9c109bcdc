"""Tools of the notebooks, apart from the method itself: sliders, exercise checks, source listings and figures.

Needs Jupyter and matplotlib; nothing else in ``flow3d`` imports it.
"""

from flow3d.teach import figures
from flow3d.teach.exercises import checks
from flow3d.teach.film import film
from flow3d.teach.source import show_source
from flow3d.teach.widget import View, explore

__all__ = ["View", "checks", "explore", "figures", "film", "show_source"]
