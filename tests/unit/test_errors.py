import pytest

from backburn.errors import BackburnError, InputError, unknown_name


def test_an_input_error_is_caught_as_the_packages_root_and_as_a_value_error():
    assert issubclass(InputError, BackburnError)
    assert issubclass(InputError, ValueError)


@pytest.mark.parametrize(
    ("name", "near"), [("badnet", "badnets"), ("sgi", "sig"), ("blendet", "blended")]
)
def test_an_unknown_name_is_answered_with_the_nearest_known_one(name, near):
    error = unknown_name("attack", name, ["sig", "badnets", "blended"])
    assert str(error) == f"unknown attack {name!r}: did you mean {near!r}?"


def test_a_name_unlike_all_others_is_answered_with_the_sorted_list():
    error = unknown_name("attack", "xyz", ["sig", "badnets"])
    assert str(error) == "unknown attack 'xyz': known: badnets, sig"


def test_the_error_says_where_the_name_was_found():
    assert " in grid.toml: " in str(unknown_name("attack", "xyz", ["sig"], "grid.toml"))


def test_no_known_names_at_all_are_said_to_be_none():
    assert str(unknown_name("attack", "xyz", [])).endswith("known: none")
