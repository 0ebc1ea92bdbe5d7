"""The picture of what repairs do: its numbers, and who is in it."""

import csv
import io

from matplotlib.figure import Figure

from backburn.report.repair_figure import draw_repairs, repair_files, repair_rows


def row(attack: str, rate: float, method: str = "default", before: float = 0.9, **scores) -> dict:
    usual = {f"{s}_{stage}": 0.5 for s in ("asr", "ra") for stage in ("before", "after", "clean")}
    known = {"attack": attack, "rate": rate, "method": method, **usual, "asr_before": before}
    return {**known, **scores}


ROWS = [
    row("none", 0.0, before=""),
    row("wanet", 0.01, before=0.3),
    row("wanet", 0.1, asr_after=0.02, ra_clean=""),
    row("wanet", 0.1, asr_after=0.04, ra_clean=""),
    row("badnets", 0.01),
    row("badnets", 0.1, "paper"),
    row("badnets", 0.1),
]


def test_victims_are_averaged_the_higher_rates_first():
    found = repair_rows(ROWS)
    assert [(each["attack"], each["rate"], each["method"], each["victims"]) for each in found] == [
        ("badnets", 0.1, "default", 1),
        ("badnets", 0.1, "paper", 1),
        ("wanet", 0.1, "default", 2),
        ("badnets", 0.01, "default", 1),
    ]
    assert (found[2]["asr_before"], found[2]["asr_after"], found[2]["ra_clean"]) == (90.0, 3.0, "")


def test_its_files_are_the_same_every_time_and_none_where_no_attack_has_worked():
    files = repair_files(ROWS)
    assert set(files) == {f"repairs.{suffix}" for suffix in ("csv", "png", "svg")}
    assert files == repair_files(ROWS)
    assert len(list(csv.DictReader(io.StringIO(files["repairs.csv"].decode())))) == 4
    assert repair_files(ROWS[:2]) == {}


def test_both_panels_have_a_line_an_attack_and_say_what_each_mark_is():
    panels = Figure().subplots(ncols=2)
    draw_repairs(panels, repair_rows(ROWS))
    names = [text.get_text() for text in panels[0].get_yticklabels()]
    assert names == ["badnets 10 %", "wanet 10 %", "badnets 1 %"]
    legend = [text.get_text() for text in panels[1].get_legend().get_texts()]
    assert legend == ["before", "clean model", "default", "paper"]
    ours = next(drawn for drawn in panels[0].collections if drawn.get_label() == "default")
    assert ours.get_offsets().tolist() == [[50.0, 0.0], [3.0, 1.0], [50.0, 2.0]]
