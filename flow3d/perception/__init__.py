"""Networks that look at pictures: which coefficients a frame shows, and who is shown."""

from .identity import IdentityConfig, IdentityEmbedding, verification
from .regressor import CoefficientRegressor, RegressorConfig, shipped_regressor

__all__ = [
    "CoefficientRegressor", "IdentityConfig", "IdentityEmbedding", "RegressorConfig", "shipped_regressor",
    "verification",
]  # fmt: skip
