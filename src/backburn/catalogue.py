"""Names to classes: the one list of what there is."""

from .attacks.badnets import BadNets
from .attacks.base import Attack
from .attacks.blended import Blended
from .attacks.none import NoAttack
from .attacks.sig import SIG
from .errors import unknown_name

ATTACKS: dict[str, type[Attack]] = {
    "badnets": BadNets,
    "blended": Blended,
    "none": NoAttack,
    "sig": SIG,
}


def attack_named(name: str) -> type[Attack]:
    """The attack of that name.

    Raises:
        InputError: no such attack; the message offers the nearest one.
    """
    if name not in ATTACKS:
        raise unknown_name("attack", name, ATTACKS)
    return ATTACKS[name]
