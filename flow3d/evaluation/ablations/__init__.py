"""The paper's ablations, trained and measured: ``python -m flow3d ablate``."""

from .legs import LEGS, Leg
from .noise import ErrorBank, Observed
from .report import ablation_report
from .run import Budget, run_leg, run_legs

__all__ = ["LEGS", "Budget", "ErrorBank", "Leg", "Observed", "ablation_report", "run_leg", "run_legs"]
