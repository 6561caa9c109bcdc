"""jaxtyping's annotations where it is installed; elsewhere annotations that say nothing, since torch is all we need."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxtyping import Float, Int
else:
    try:
        from jaxtyping import Float, Int
    except ImportError:

        class Unchecked:
            """``Float[Tensor, "B C D H W"]`` is then the tensor's own type."""

            def __class_getitem__(cls, item: tuple[Any, str]) -> Any:
                return item[0]

        Float = Int = Unchecked

__all__ = ["Float", "Int"]
