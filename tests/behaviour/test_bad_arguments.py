"""Bad names, numbers and settings: exit code 2, one line on stderr, and nothing is written."""

import pytest

MODEL, PHOTOS = "model.safetensors", "photos"
pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize("verb", ["audit", "repair", "demo", "attack"])
def test_an_unknown_key_in_a_config_file(refused, here, verb):
    key, near = ("recipe", "architectur") if verb == "attack" else ("detector", "budgt")
    (here / "my.toml").write_text(f"[{key}]\n{near} = 3\n")
    case = {"demo": [], "attack": ["badnets", PHOTOS]}.get(verb, [MODEL, PHOTOS])
    line = refused(verb, *case, "--config", "my.toml")
    nearest = {"architectur": "recipe.architecture", "budgt": "detector.budget"}[near]
    assert all(word in line for word in ("my.toml", f"{key}.{near}", f"did you mean '{nearest}'"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["badnet", "digits"], ["attack 'badnet'", "did you mean 'badnets'"]),
        (["badnets", "nowhere"], ["nowhere", "give a folder"]),
        (["badnets", "digits", "--rate", "0"], ["0.0", "fraction between 0 and 1"]),
        (["badnets", "digits", "--rate", "1"], ["1.0", "fraction between 0 and 1"]),
        (["badnets", "digits", "--rate", "1.5"], ["1.5", "fraction between 0 and 1"]),
        (["badnets", "digits", "--rate", "-0.1"], ["-0.1", "fraction between 0 and 1"]),
        (["badnets", "digits", "--rate", "nan"], ["nan", "fraction between 0 and 1"]),
        (["badnets", "digits", "--rate", "many"], ["--rate", "many"]),
        (["sig", "digits", "--rate", "0.5"], ["0.5", "give another rate"]),
        (["badnets", "digits", "--target", "10"], ["10", "give 0 to 9"]),
        (["badnets", "digits", "--arch", "smal_cnn"], ["did you mean 'small_cnn'"]),
        (["badnets", "digits", "--limit", "0"], ["--limit", "0"]),
        (["badnets", "digits", "--device", "tpu"], ["tpu", "give auto, cpu"]),
        (["badnets", "digits", "--out", PHOTOS], [PHOTOS, "give another --out"]),
        (["badnets", "digits", "--set", "recipe.training.epoch=1"], ["recipe.training.epochs"]),
        (["badnets", "digits", "--set", "attack.size=99"], ["99", "8x8"]),
        (["badnets", "digits", "--test", "nowhere"], ["nowhere"]),
        (["badnets"], ["DATA"]),
    ],
    ids=" ".join,
)
def test_an_attack_that_cannot_be_made(refused, arguments, told):
    line = refused("attack", *arguments)
    assert all(word in line for word in told), line


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["repiar"], ["repiar", "did you mean 'repair'"]),
        (["--jsn"], ["--jsn"]),
        (["ls", "nowhere"], ["nowhere"]),
        (["demo", "--set", "training.epoch=1"], ["training.epochs"]),
        (["bench", "none.toml", "--out", "results"], ["none.toml"]),
    ],
    ids=" ".join,
)
def test_a_command_that_is_mistyped(refused, arguments, told):
    line = refused(*arguments)
    assert all(word in line for word in told), line


def test_a_folder_too_small_to_hold_images_out(refused):
    # eight images of two classes: a fifth of them is one
    line = refused("attack", "badnets", PHOTOS, "--rate", "0.3", "--limit", "5")
    assert all(word in line for word in (PHOTOS, "--test"))
