import dataclasses
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backburn.benchmark.study_file import Study
from backburn.config import configure, overlay, read_toml, to_toml
from backburn.errors import InputError
from backburn.registry import ATTACKS, DEFENSES, DETECTORS


@dataclass(frozen=True)
class Fit:
    epochs: int = 20
    rate: float = 0.1

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise InputError(f"epochs is {self.epochs}: give 1 or more")


@dataclass(frozen=True)
class Method:
    name: str = "burn"
    mode: Literal["fast", "full"] = "full"
    flip: bool = True
    fit: Fit = field(default_factory=Fit)


@pytest.fixture
def toml(tmp_path):
    def write(text: str):
        path = tmp_path / "method.toml"
        path.write_text(text)
        return path

    return write


def test_nothing_said_changes_nothing():
    assert configure(Method()) == Method()


def test_a_file_is_laid_over_the_defaults(toml):
    found = configure(Method(), toml('name = "mine"\n[fit]\nepochs = 3\n'))
    assert found == Method(name="mine", fit=Fit(epochs=3, rate=0.1))


def test_settings_win_over_the_file_and_the_last_setting_over_the_first(toml):
    path = toml("[fit]\nepochs = 3\nrate = 0.5\n")
    found = configure(Method(), path, ["fit.epochs=4", "fit.epochs=5"])
    assert found.fit == Fit(epochs=5, rate=0.5)


def test_the_default_is_left_as_it_was():
    default = Method()
    configure(default, settings=["fit.epochs=5"])
    assert default == Method()


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("name=small_cnn-w8", {"name": "small_cnn-w8"}),
        ('name="quoted"', {"name": "quoted"}),
        ("name=a=b", {"name": "a=b"}),
        (" mode = fast ", {"mode": "fast"}),
        ("flip=false", {"flip": False}),
        ("fit.rate=1", {"fit": Fit(rate=1.0)}),
        ("fit.rate=1e-3", {"fit": Fit(rate=0.001)}),
        ("fit.rate=.5", {"fit": Fit(rate=0.5)}),
        ("fit.rate=-.5", {"fit": Fit(rate=-0.5)}),
        ("fit.rate=+.5", {"fit": Fit(rate=0.5)}),
    ],
)
def test_a_setting_is_read_as_toml_and_as_text_where_it_is_none(setting, expected):
    assert configure(Method(), settings=[setting]) == Method(**expected)


NAMES = st.text(st.characters(exclude_categories=["Cs"]))
METHODS = st.builds(
    Method,
    NAMES,
    st.sampled_from(["fast", "full"]),
    st.booleans(),
    st.builds(Fit, st.integers(1, 2**63 - 1), st.floats(allow_nan=False)),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("config") / "method.toml"


@settings(deadline=None)
@given(METHODS, METHODS)
def test_an_object_survives_the_way_to_toml_and_back(path, made, default):
    path.write_bytes(to_toml(made))
    assert configure(default, path) == made


@settings(deadline=None)
@given(METHODS)
def test_a_setting_is_what_the_same_value_is_in_a_file(made):
    texts = [f"fit.rate={made.fit.rate!r}", f"fit.epochs={made.fit.epochs}", f"mode={made.mode}"]
    expected = dataclasses.replace(Method(), mode=made.mode, fit=made.fit)
    assert configure(Method(), settings=texts) == expected


@pytest.mark.parametrize(
    "kind", [*ATTACKS.values(), *DEFENSES.values(), *DETECTORS.values(), Study]
)
def test_every_method_survives_the_way_to_toml_and_back(path, kind):
    path.write_bytes(to_toml(kind()))
    assert configure(kind(), path) == kind()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("nmae=x", "unknown setting 'nmae' in --set: did you mean 'name'"),
        ("fit.epoch=3", "unknown setting 'fit.epoch' in --set: did you mean 'fit.epochs'"),
        ("epochs=3", "unknown setting 'epochs' in --set: did you mean 'fit.epochs'"),
        ("fit.epochs=many", "fit.epochs in --set is 'many'"),
        ("fit.epochs=1.5", "fit.epochs in --set is 1.5"),
        ("fit.epochs=true", "fit.epochs in --set is True"),
        ("flip=1", "flip in --set is 1"),
        ("mode=slow", "mode in --set is 'slow'"),
        ("fit=3", "fit in --set is a table"),
        ("name.first=x", "name in --set is"),
        ("fit.epochs", "--set fit.epochs: give it as name=value"),
        ("fit.epochs=0", "--set: [fit] epochs is 0: give 1 or more"),
    ],
)
def test_a_bad_setting_is_refused_by_name(setting, message):
    with pytest.raises(InputError) as caught:
        configure(Method(), settings=[setting])
    assert str(caught.value).startswith(message)


def test_a_bad_name_in_a_file_is_refused_with_the_files_name(toml):
    path = toml("[fti]\nepochs = 3\n")
    with pytest.raises(InputError, match="did you mean 'fit'") as caught:
        configure(Method(), path)
    assert str(path) in str(caught.value)


def test_overlay_checks_nested_names_under_their_full_name():
    with pytest.raises(InputError, match=r"'fit\.speed' in here"):
        overlay(Method(), {"fit": {"speed": 1}}, "here")


def test_overlay_replaces_fields_of_any_dataclass():
    assert dataclasses.asdict(overlay(Fit(), {"rate": 0.5}, "here")) == {"epochs": 20, "rate": 0.5}


@pytest.mark.parametrize("content", [b"epochs 3", b"= 3", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_what_is_no_toml_is_refused_with_the_files_name(tmp_path, content):
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.toml is not TOML"):
        read_toml(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no config file at"):
        configure(Method(), tmp_path / "none.toml")


def test_a_folder_is_refused_as_a_file(tmp_path):
    with pytest.raises(InputError, match="is not TOML"):
        read_toml(tmp_path)
