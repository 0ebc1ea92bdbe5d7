"""Studies: the grid in a TOML file, and its cells."""

from pathlib import Path

import pytest

from backburn.benchmark.plan import planned_cells
from backburn.benchmark.study_file import LongerTraining, Study, load_study
from backburn.errors import InputError
from backburn.registry import DEFENSES, DETECTORS
from backburn.runs import new_record, read_checked, to_json, with_checksum

STUDIES = Path(__file__).parents[2] / "studies"


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_study_is_read_from_toml(tmp_path):
    file = written(
        tmp_path / "study.toml",
        'attacks = ["badnets"]\nrates = [0.1]\nseeds = [3]\n[recipe.training]\nepochs = 7\n',
    )
    study = load_study(file)
    assert (study.attacks, study.rates, study.seeds) == (["badnets"], [0.1], [3])
    assert study.recipe.training.epochs == 7
    assert study.burn == Study().burn


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no cell"),
        ('attacks = ["badnets"]\nseeds = []', "names no cell"),
        ('atacks = ["badnets"]', "did you mean 'attacks'"),
        ('attacks = ["badnet"]', "did you mean 'badnets'"),
        (
            'attacks = ["badnets"]\n[burn.detector]\nbudgt = "fast"',
            r"did you mean 'burn\.detector\.budget",
        ),
        ('attacks = ["badnets"]\ntrain = -1', "train=-1"),
        ('attacks = ["badnets"]\nskip = -1', "skip=-1"),
        ('attacks = ["badnets"]\nrates = ["much"]', "rates"),
        ('attacks = ["badnets"]\nrates = [1.5]', "1.5"),
        ('attacks = ["badnets"]\nrates = [0.0]', "0.0"),
        ('attacks = ["badnets"]\ntarget_label = -1', "target_label"),
        ("attacks = [", "is not TOML"),
        ('attacks = ["badnets"]\nmethods = ["papr"]', "did you mean 'paper'"),
        ('attacks = ["badnets"]\n[hyperparameters.strp]\nx = 1', "did you mean 'strip'"),
        ('attacks = ["badnets"]\n[hyperparameters.anp]\niteration = 1', "anp.*'iterations'"),
        ('attacks = ["badnets"]\n[hyperparameters.anp]\niterations = 0', "iterations=0"),
        ('attacks = ["badnets"]\n[at_most]\nsgi = 0.05', "did you mean 'sig'"),
        ('attacks = ["sig"]\n[longer]\nattacks = ["sgi"]\nepochs = 60', "did you mean 'sig'"),
        ('attacks = ["sig"]\n[longer]\nattacks = ["sig"]', "longer.epochs is 0"),
        ('attacks = ["sig"]\n[reactivation]\nimages = [5, 5]', "reactivation.images is"),
        ('attacks = ["sig"]\n[reactivation]\nimage = [5]', "did you mean 'reactivation.images'"),
        (
            'attacks = ["sig"]\n[reactivation]\ntraining = {epochs = 0}',
            r"toml: \[reactivation\.training\] epochs=0",
        ),
        (
            'attacks = ["sig"]\n[recipe.training]\naugmentation = {flip = "sometimes"}',
            "give true or false or 'alternate'",
        ),
        ('attacks = ["sig"]\nseeds = [-1]', "seeds has -1"),
        ('attacks = ["sig"]\nat_most = {sig = 2.0}', r"at_most\.sig is 2"),
        ('attacks = ["sig"]\n[hyperparameters.default]\nx = 1', r"the table \[burn\]"),
    ],
)
def test_a_study_with_a_mistake_is_refused_before_anything_runs(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        load_study(written(tmp_path / "study.toml", text))


def test_a_study_is_not_advised_to_use_an_option_that_bench_lacks(tmp_path):
    with pytest.raises(InputError) as caught:
        load_study(written(tmp_path / "study.toml", 'atacks = ["sig"]'))
    assert "--set" not in str(caught.value)


def test_a_study_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="none"):
        load_study(tmp_path / "none.toml")


def test_every_combination_is_one_cell_and_clean_models_have_no_rate():
    study = Study(attacks=["badnets", "none"], rates=[0.01, 0.05], seeds=[0, 1])
    assert [cell.name for cell in planned_cells(study)] == [
        "badnets-0.01-0", "none-0-0", "badnets-0.05-0",
        "badnets-0.01-1", "none-0-1", "badnets-0.05-1",
    ]  # fmt: skip


def test_without_rates_every_attack_has_its_own():
    study = Study(attacks=["badnets", "wanet", "adap_blend", "none"], rates=[])
    assert [cell.name for cell in planned_cells(study)] == [
        "badnets-0.05-0", "wanet-0.1-0", "adap_blend-0.003-0", "none-0-0",
    ]  # fmt: skip
    assert planned_cells(study)[1].build_attack().poisoning_rate == 0.1


def test_some_attacks_may_train_longer_and_a_clean_model_with_them():
    longer = LongerTraining(["sig"], 60)
    study = Study(attacks=["badnets", "sig", "none"], seeds=[0, 1], longer=longer)
    assert [cell.name for cell in planned_cells(study)][:4] == [
        "badnets-0.05-0", "sig-0.05-0-60", "none-0-0", "none-0-0-60",
    ]  # fmt: skip
    assert [cell.recipe.training.epochs for cell in planned_cells(study)][:4] == [20, 60, 20, 60]
    assert planned_cells(study)[1].settings()["recipe"]["training"]["epochs"] == 60
    assert len(planned_cells(study)) == 8


def test_no_clean_model_trains_longer_than_what_is_compared_with_it():
    study = Study(attacks=["badnets", "none"], longer=LongerTraining(["sig"], 60))
    assert [cell.name for cell in planned_cells(study)] == ["badnets-0.05-0", "none-0-0"]


def test_a_cell_says_which_hyperparameters_made_it():
    (cell,) = planned_cells(Study(attacks=["wanet"], rates=[0.2], target_label=3))
    made = cell.arguments()
    assert made["attack"]["poisoning_rate"] == 0.2
    assert made["attack"]["target_label"] == 3
    assert made["attack"]["strength"] == 0.5
    assert "burn" in made["settings"]
    (alone,) = planned_cells(Study(attacks=["wanet"], defend=False))
    assert "burn" not in alone.arguments()["settings"]


def test_methods_have_the_hyperparameters_of_the_study():
    study = Study(
        attacks=["badnets"], methods=["anp", "strip"], hyperparameters={"anp": {"iterations": 7}}
    )
    anp, strip = planned_cells(study)
    assert (anp.kind, strip.kind) == ("defense", "detector")
    assert (str(anp.inputs), str(strip.inputs)) == ("5 % clean", "training set + 5 % clean")
    assert anp.arguments()["settings"]["burn"]["iterations"] == 7
    assert strip.arguments()["settings"]["burn"]["superpositions"] == 100


@pytest.mark.parametrize("method", [*DEFENSES, *DETECTORS])
def test_what_made_a_cell_is_what_its_record_says_when_it_is_read(method, tmp_path):
    (cell,) = planned_cells(Study(attacks=["badnets"], methods=[method]))
    record = new_record("bench", cell.arguments(), 0, {}, {}, "cpu")
    (tmp_path / "cell.json").write_bytes(to_json(with_checksum(record)))
    assert read_checked(tmp_path / "cell.json").arguments == cell.arguments()


def test_what_is_named_twice_is_run_once():
    study = Study(attacks=["badnets", "badnets"], rates=[0.05, 0.05], seeds=[0, 0])
    assert len(planned_cells(study)) == 1


def test_methods_share_a_victim_and_clean_models_are_what_others_are_compared_with():
    study = Study(attacks=["badnets", "none"], seeds=[3], methods=["default", "paper"])
    cells = planned_cells(study)
    assert [cell.name for cell in cells] == [
        "badnets-0.05-3", "none-0-3", "badnets-0.05-3-paper", "none-0-3-paper",
    ]  # fmt: skip
    assert cells[0].victim_name == cells[2].victim_name == "badnets-0.05-3"
    assert cells[0].victim_arguments() == cells[2].victim_arguments()
    assert cells[2].clean_cell.victim_name == "none-0-3"
    assert planned_cells(Study(attacks=["badnets"]))[0].clean_cell is None
    assert "abnormal" in cells[2].arguments()["settings"]["burn"]


def test_some_attacks_go_no_higher():
    study = Study(attacks=["badnets", "sig"], rates=[0.1, 0.01], at_most={"sig": 0.05})
    assert [cell.name for cell in planned_cells(study)] == [
        "badnets-0.1-0", "sig-0.05-0", "badnets-0.01-0", "sig-0.01-0",
    ]  # fmt: skip


@pytest.mark.parametrize("file", sorted(STUDIES.glob("*.toml")), ids=lambda file: file.stem)
def test_every_study_that_is_at_hand_can_be_read(file):
    study = load_study(file)
    assert len({cell.name for cell in planned_cells(study)}) == len(planned_cells(study)) > 0
    assert f"make study-{file.stem}" in file.read_text()
