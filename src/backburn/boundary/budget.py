"""The effort of a boundary search: its settings, and the named budgets."""

from dataclasses import dataclass

from ..errors import InputError, unknown_name


@dataclass(frozen=True, slots=True)
class Budget:
    """The effort of a search. docs/boundary.md and studies/boundary have what each budget reaches.

    Args:
        candidates: other classes whose boundary is linearized at the image.
        rivals: a track starts towards the nearest of these classes, and towards each one whose
            linear distance is less than this multiple of the nearest one's.
        opening: steps of every track.
        survivors: tracks of an image that continue after these.
        closing: most steps of the survivors.
        patience: a track ends after this many steps that gain less than half a percent each.
        refining: last steps, in fp32 whatever the precision of the others.
        certified: verify every distance in fp32; else the distance is the linear estimate.
    """

    candidates: int = 3
    rivals: float = 1.15
    opening: int = 3
    survivors: int = 1
    closing: int = 4
    patience: int = 2
    refining: int = 1
    certified: bool = True

    def __post_init__(self) -> None:
        for names, least in (
            ("candidates rivals survivors patience", 1),
            ("opening closing refining", 0),
        ):
            for name in names.split():
                if not getattr(self, name) >= least:
                    raise InputError(
                        f"{name} of a budget is {getattr(self, name)}: give {least} or more"
                    )


BUDGETS = {
    "screen": Budget(rivals=1, opening=0, closing=0, refining=0, certified=False),
    "fast": Budget(candidates=2, rivals=1, opening=0, closing=3, refining=0),
    "default": Budget(),
    "exact": Budget(
        candidates=5, rivals=1.5, opening=4, survivors=2, closing=6, patience=3, refining=8
    ),
}


def get_budget(budget: str | Budget) -> Budget:
    """The budget of this name; a `Budget` is returned unchanged.

    Raises:
        InputError: no such budget.

    >>> get_budget("default") == Budget()
    True
    """
    if isinstance(budget, Budget):
        return budget
    if budget not in BUDGETS:
        raise unknown_name("budget", budget, BUDGETS)
    return BUDGETS[budget]
