"""How much is spent on an image's boundary, by name."""

from dataclasses import dataclass

from ..errors import InputError, unknown_name


@dataclass(frozen=True, slots=True)
class Budget:
    """The effort of a search; docs/boundary.md and studies/boundary have what each one reaches.

    Args:
        candidates: other classes whose boundary is linearised at the image.
        rivals: a track is started to the nearest of them, and to each one whose linear distance
            is below so many times the nearest one's.
        opening: steps of every track.
        survivors: tracks of an image that go on after these.
        closing: steps of the survivors, at the most.
        patience: a track ends after so many steps that gain less than half a per cent.
        refining: last steps, in fp32 whatever the others are taken in.
        certified: verify every distance in fp32; else it is the linear estimate.
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
        if min(self.candidates, self.survivors, self.patience) < 1:
            raise InputError("candidates, survivors and patience of a budget: give 1 or more")
        if min(self.opening, self.closing, self.refining) < 0 or self.rivals < 1:
            raise InputError("steps of a budget: give 0 or more, and rivals of 1 or more")


BUDGETS = {
    "screen": Budget(rivals=1, opening=0, closing=0, refining=0, certified=False),
    "fast": Budget(candidates=2, rivals=1, opening=0, closing=3, refining=0),
    "default": Budget(),
    "exact": Budget(
        candidates=5, rivals=1.5, opening=4, survivors=2, closing=6, patience=3, refining=8
    ),
}


def budget_named(budget: str | Budget) -> Budget:
    """The budget of that name; a `Budget` is returned as it is.

    Raises:
        InputError: no such budget.
    """
    if isinstance(budget, Budget):
        return budget
    if budget not in BUDGETS:
        raise unknown_name("budget", budget, BUDGETS)
    return BUDGETS[budget]
