"""What a repair of a run goes by: the run's record, and above it the command line."""

import pytest

from backburn.errors import InputError
from backburn.runs import new_record, write_run
from backburn.services.case_options import CaseOptions
from backburn.services.repair_options import RepairOptions, resolve_options

CASE = {
    "model": "m.pt",
    "data": "photos",
    "arch": "timm:resnet18",
    "cache": "/etc",
    "mean": [0.5],
    "max_images": 9,
}
BESIDE = {"test": "exam", "holdout": "trusted", "method": "paper", "review": {"path": "r.csv"}}


def run_of(tmp_path, command: str = "repair", **arguments) -> CaseOptions:
    record = new_record(command, arguments, 3, {}, {}, "cpu")
    return CaseOptions(str(write_run(tmp_path / "run", record, {"config.toml": b""})))


def test_a_case_is_taken_as_it_is_with_the_defaults():
    given = CaseOptions("m.pt", "photos")
    assert resolve_options(RepairOptions(given)) == RepairOptions(given, 0, None, None, "default")
    assert resolve_options(RepairOptions(given, 5, "exam", None, "paper", "my.toml")).seed == 5


def test_a_run_stands_for_all_that_it_looked_at(tmp_path):
    given = run_of(tmp_path, **CASE, **BESIDE)
    asked = resolve_options(RepairOptions(given))
    assert asked.case == CaseOptions("m.pt", "photos", "timm:resnet18", (0.5,), max_images=9)
    assert (asked.seed, asked.test, asked.holdout, asked.method) == (3, "exam", "trusted", "paper")
    assert (asked.config, asked.run) == (f"{given.model}/config.toml", given.model)


def test_the_command_line_is_above_it_and_settings_go_with_their_method(tmp_path):
    asked = resolve_options(
        RepairOptions(run_of(tmp_path, **CASE, **BESIDE), 7, "other", None, "default")
    )
    assert (asked.seed, asked.test, asked.method, asked.config) == (7, "other", "default", None)


def test_base_and_witness_are_taken_from_a_run_unless_they_are_given(tmp_path):
    run = run_of(tmp_path, **CASE, base="b.pt", witness="w.pt", witness_arch="timm:resnet18")
    told = resolve_options(RepairOptions(run)).case
    assert (told.base, told.witness, told.witness_arch) == ("b.pt", "w.pt", "timm:resnet18")
    own = resolve_options(
        RepairOptions(CaseOptions(run.model, base="timm:mine", witness="x.pt"))
    ).case
    assert (own.base, own.witness) == ("timm:mine", "x.pt")


def test_an_audit_is_repaired_by_the_default_method(tmp_path):
    assert (
        resolve_options(RepairOptions(run_of(tmp_path, "audit", model="victim"))).method
        == "default"
    )


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("demo", {"attack": "badnets"}, "is a run of demo: give a run of audit or repair"),
        ("repair", {**CASE, "arch": "os:abort"}, "names code to import: .* give --arch os:abort"),
        ("repair", {**CASE, "data": "hf:evil/set"}, "names a download, hf:evil/set"),
        ("repair", {**CASE, "holdout": "hf:evil/set"}, "names a download"),
        ("audit", {**CASE, "base": "timm:vit"}, "names a download: .* give --base timm:vit"),
        ("audit", {**CASE, "witness": "hf:e/w"}, "names a download: .* give --witness hf:e/w"),
        ("audit", {**CASE, "witness": "w.pt", "witness_arch": "os:abort"}, "code to import"),
        ("repair", {**CASE, "max_images": 0}, "max_images is 0"),
        ("repair", {"data": "photos"}, "record.json cannot be read"),
        ("repair", {"model": 3}, "record.json cannot be read"),
        ("audit", {"model": "m.pt", "max_images": "<b>"}, "record.json cannot be read"),
    ],
    ids=range(11),
)
def test_runs_that_say_nothing_to_repair_are_refused(tmp_path, command, arguments, message):
    with pytest.raises(InputError, match=message):
        resolve_options(RepairOptions(run_of(tmp_path, command, **arguments)))


def test_another_case_than_the_runs_is_refused(tmp_path):
    run = run_of(tmp_path, **CASE).model
    with pytest.raises(InputError, match="leave out --size and --max-images"):
        resolve_options(RepairOptions(CaseOptions(run, size=8, max_images=3)))


def test_code_and_places_to_write_are_named_on_the_command_line(tmp_path):
    run = run_of(tmp_path, **{**CASE, "arch": "nets:build"}).model
    asked = resolve_options(RepairOptions(CaseOptions(run, arch="nets:build", cache="mine")))
    assert (asked.case.arch, asked.case.cache) == ("nets:build", "mine")
