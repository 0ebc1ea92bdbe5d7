"""JSON of what runs keep, with names of files that are no UTF-8."""

import math

import pytest

from backburn.runs.json_text import compact_json, from_json, to_json


@pytest.mark.parametrize("name", ["photos", "f\u00fc\u00dfe", "photos-\udcff"])
def test_values_are_read_back_as_they_were(name):
    value = {"data": name, "rows": [1, 2.5, None], "nested": {name: [name]}}
    for written in (to_json(value), compact_json(value)):
        assert from_json(written, dict) == value


@pytest.mark.parametrize("name", ["photos", "photos-\udcff"])
def test_numbers_that_json_does_not_know_become_null(name):
    value = {name: [math.nan, math.inf, -math.inf]}
    assert from_json(to_json(value), dict) == {name: [None] * 3}


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 10**5, b"[1", b"[]", b"9" * 10**4])
def test_other_bytes_are_a_value_error(content):
    with pytest.raises(ValueError, match=r"\S"):
        from_json(content, dict)
