"""How a broken contract is said."""


class ContractError(AssertionError):
    """A method breaks a rule of its contract; the message says which."""


def hold(kept: bool, broken: str) -> None:
    """Raise where a rule is not kept."""
    if not kept:
        raise ContractError(broken)
