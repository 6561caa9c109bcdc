"""The paper's ablations, trained and measured: ``python -m flow3d ablate``."""

from .observed_cache import ObservedCache
from .report import ablation_report
from .run import Budget, run_variant, run_variants
from .variants import VARIANTS, Variant

__all__ = [
    "VARIANTS", "Budget", "ObservedCache", "Variant", "ablation_report", "run_variant", "run_variants",
]  # fmt: skip
