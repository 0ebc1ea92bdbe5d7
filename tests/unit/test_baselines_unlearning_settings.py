"""Settings of ABL, I-BAU, Neural Cleanse, SAU and D-BR that are refused."""

import pytest

from backburn.baselines.defenses.abl import ABL
from backburn.baselines.defenses.dbr import DBR
from backburn.baselines.defenses.ibau import IBAU
from backburn.baselines.defenses.inversion import TriggerInversion
from backburn.baselines.defenses.neural_cleanse import NeuralCleanse
from backburn.baselines.defenses.sau import SAU
from backburn.errors import InputError


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (ABL, {"isolation_rate": 0.0}),
        (ABL, {"gamma": -1.0}),
        (ABL, {"gamma": float("inf")}),
        (DBR, {"clean_rate": 0.8, "poison_rate": 0.3}),
        (DBR, {"poison_rate": 0.0}),
        (DBR, {"degrees": 181.0}),
        (IBAU, {"rounds": 0}),
        (IBAU, {"portion": 0.0}),
        (IBAU, {"bound": 0.0}),
        (NeuralCleanse, {"abnormal": 0.0}),
        (NeuralCleanse, {"stamped": 1.1}),
        (TriggerInversion, {"patience": 0}),
        (TriggerInversion, {"success": 0.0}),
        (TriggerInversion, {"multiplier": 1.0}),
        (TriggerInversion, {"learning_rate": 0.0}),
        (SAU, {"bound": 0.0}),
        (SAU, {"steps": 0}),
        (SAU, {"shared": -1.0}),
    ],
)
def test_settings_out_of_range_are_refused(kind, settings):
    with pytest.raises(InputError, match="give"):
        kind(**settings)
