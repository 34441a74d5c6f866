"""Floor 2, the mathematics: every operator declared once, in families."""

from adjoint._later import names
from adjoint.core.op import OPERATORS

# Operators that are declared when a program first needs one, or when someone looks at `OPERATORS`.
_LATER = {
    name: f"adjoint.ops.{name}"
    for name in (
        *(
            "activation",
            "adaptive_pool",
            "classes",
            "conv",
            "create_legacy",
            "einsum",
            "embedding",
            "loss",
        ),
        *("norm", "pad", "pool", "random_sampling", "unfold"),
    )
}
OPERATORS.later += _LATER.values()
__getattr__ = names(__name__, _LATER)
