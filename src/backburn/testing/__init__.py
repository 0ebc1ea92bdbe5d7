"""Contract suites for attacks, detectors and defenses, ours and your own.

A suite is a tuple of checks, for `pytest.mark.parametrize`:

    import pytest
    from backburn.testing import ATTACK_CHECKS

    @pytest.mark.parametrize("check", ATTACK_CHECKS, ids=lambda check: check.__name__)
    def test_my_attack(check):
        check(MyAttack(poisoning_rate=0.1))
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

__all__ = [
    "ATTACK_CHECKS",
    "DEFENSE_CHECKS",
    "DETECTOR_CHECKS",
    "ContractError",
    "check_attack",
    "check_defense",
    "check_detector",
]

if TYPE_CHECKING:
    from .attacks import CHECKS as ATTACK_CHECKS
    from .attacks import check_attack
    from .contract_error import ContractError
    from .defenses import CHECKS as DEFENSE_CHECKS
    from .defenses import check_defense
    from .detectors import CHECKS as DETECTOR_CHECKS
    from .detectors import check_detector
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "ATTACK_CHECKS": ".attacks:CHECKS",
            "ContractError": ".contract_error",
            "DEFENSE_CHECKS": ".defenses:CHECKS",
            "DETECTOR_CHECKS": ".detectors:CHECKS",
            "check_attack": ".attacks",
            "check_defense": ".defenses",
            "check_detector": ".detectors",
        },
    )
