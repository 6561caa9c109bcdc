"""The paper's ablations, trained and measured: ``python -m flow3d ablate``."""

from .error_bank import ErrorBank, Observed
from .report import ablation_report
from .run import Budget, run_leg, run_legs
from .variants import LEGS, Leg

__all__ = ["LEGS", "Budget", "ErrorBank", "Leg", "Observed", "ablation_report", "run_leg", "run_legs"]
