"""The error of a broken contract."""


class ContractError(AssertionError):
    """A method breaks a rule of its contract; the message says which."""


def require(condition: bool, message: str) -> None:
    """Raise a `ContractError` with this message if the condition is false."""
    if not condition:
        raise ContractError(message)
