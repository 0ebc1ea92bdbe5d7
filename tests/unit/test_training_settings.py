import pytest

from backburn.config import configure, to_toml
from backburn.training import Training


@pytest.mark.parametrize("steps", [1, 2, 10, 1000])
@pytest.mark.parametrize("warmup", [0.0, 0.15, 0.5, 0.99])
def test_the_rate_rises_to_its_peak_and_falls_to_nearly_nothing(steps, warmup):
    training = Training(learning_rate=0.4, warmup=warmup)
    rates = [training.learning_rate_at(step, steps) for step in range(steps)]
    assert all(0 < rate <= 0.4 for rate in rates)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_the_peak_comes_after_the_warm_up():
    training = Training(learning_rate=0.4, warmup=0.2)
    rates = [training.learning_rate_at(step, 100) for step in range(100)]
    assert rates[20] == max(rates) == 0.4
    assert rates[0] < 0.02 * 2
    assert rates[60] == pytest.approx(0.2)
    assert rates[99] < 0.4 * 0.01


def test_settings_survive_the_way_through_toml(tmp_path):
    made = configure(Training(), settings=["epochs=3", "augmentation.flip=true"])
    (tmp_path / "training.toml").write_bytes(to_toml(made))
    assert configure(Training(), tmp_path / "training.toml") == made
