"""The doctor: what is there, what is missing, what is broken, and the line that mends it."""

import json

import pytest

from backburn.services import doctor


@pytest.fixture
def installed(monkeypatch):
    """Versions that are said to be installed, and modules that do not load."""
    versions, faults = {"torch": "2.13.0+cpu", "torchvision": "0.28.0"}, {}
    monkeypatch.setattr(doctor, "_version", versions.get)
    monkeypatch.setattr(doctor, "_import_error", faults.get)
    return versions, faults


@pytest.mark.parametrize(
    ("torch", "vision"), [("2.6.0", "0.21"), ("2.13.0+cpu", "0.28"), ("3.0", "")]
)
def test_torchvision_goes_with_one_torch(torch, vision):
    assert doctor.matching_torchvision(torch) == vision


def test_a_pair_that_goes_together_is_well(installed):
    assert doctor._torch_pair().state == "ok"


def test_a_pair_of_two_versions_is_broken_and_the_line_names_the_right_one(installed):
    installed[0]["torchvision"] = "0.21.0"
    check = doctor._torch_pair()
    assert check.state == "broken"
    assert "'torchvision==0.28.*' --index-url https://download.pytorch.org/whl/cpu" in check.remedy


def test_a_pair_of_two_builds_is_broken_though_the_versions_go_together(installed):
    installed[0]["torch"] = "2.13.0"
    installed[1]["torchvision"] = "operator torchvision::nms does not exist"
    check = doctor._torch_pair()
    assert (check.state, "nms" in check.found) == ("broken", True)
    assert "--index-url" not in check.remedy


def test_what_is_missing_is_an_extra_and_what_the_core_lacks_is_broken(installed):
    check = doctor._feature("serve", ("starlette", "uvicorn"), "serve")
    assert (check.state, check.remedy) == ("missing", "pip install 'backburn[serve]'")
    check = doctor._feature("parquet files", ("pyarrow",), "")
    assert (check.state, check.remedy) == ("broken", "pip install pyarrow")
    assert not doctor.is_healthy([check])


def test_what_breaks_for_torchvisions_sake_is_mended_by_its_line(installed):
    installed[0]["timm"] = "1.0"
    installed[1]["timm"] = "operator torchvision::nms does not exist"
    assert doctor._feature("timm", ("timm",), "networks").remedy == ""


def test_the_command_lists_remedies_as_lines_to_paste(cli, monkeypatch):
    checks = [doctor.Check("a", "ok", "1.0"), doctor.Check("b", "broken", "bad", "pip install b")]
    monkeypatch.setattr(doctor, "run_checks", lambda: checks)
    done = cli("doctor")
    assert done.code == 1
    assert "What is broken is mended by:\n    pip install b\n" in done.out
    assert json.loads(cli("doctor", "--json").out)[1]["remedy"] == "pip install b"
    monkeypatch.setattr(doctor, "run_checks", lambda: checks[:1])
    assert cli("doctor").out.endswith(
        "Next: backburn demo  # the whole chain on handwritten digits\n"
    )
