"""Progress: steps with a time, one bar for the whole, in a terminal, a log and a notebook."""

import io
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from backburn.data.sources.digits import digits
from backburn.models.nets.zoo import build
from backburn.services import progress_displays
from backburn.services.measure_speed import Speed, measure_speed
from backburn.services.progress_displays import ProgressDisplay, show_progress
from backburn.services.step_progress import PHASE_WORDS, StepProgress
from backburn.services.terminal_escapes import SafeConsole
from backburn.services.time_estimate import (
    Step,
    Workload,
    demo_steps,
    format_duration,
    format_duration_short,
    plan_line,
    planned_steps,
)
from backburn.types import Case, no_progress

STEPS = (Step("read it", ("read",), 1.0), Step("train on it", ("fit", "test"), 9.0))


@pytest.mark.parametrize(
    ("seconds", "long", "short"),
    [
        (0.3, "a few seconds", "seconds"),
        (44, "about 40 seconds", "40 s"),
        (8.4, "about 8.5 seconds", "8.5 s"),
        (240, "about 4 minutes", "4 min"),
        (3000, "about 50 minutes", "50 min"),
        (8000, "about 2 hours", "2 h"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds, long, short):
    assert (format_duration(seconds), format_duration_short(seconds)) == (long, short)


def test_steps_are_counted_and_their_seconds_added():
    assert plan_line(STEPS) == "2 steps, about 10 seconds"
    assert plan_line(demo_steps()).startswith("9 steps, about ")


def test_every_phase_of_a_step_has_words_or_a_name_that_says_it():
    phases = {phase for step in demo_steps() for phase in step.phases}
    assert {"activations", "retraining", "tests", "boundary", "decoupling"} <= phases
    assert phases - PHASE_WORDS.keys() <= {"train the victim", "retraining", "unlearning"}


def test_a_slower_model_is_given_more_time_and_so_are_more_images(generator):
    images = digits("train")
    small, large = (
        planned_steps(
            "repair", Case(build(name, 10, 1, generator=generator), images), test_images=9
        )
        for name in ("small_cnn-w4", "preact_resnet18-w32")
    )
    assert [step.words for step in small] == [step.words for step in large]
    assert len(small) == 8
    total = [sum(step.seconds for step in steps) for steps in (small, large)]
    assert 0 < total[0] < total[1]


def test_the_speed_is_measured_and_the_model_is_left_as_it_was(generator):
    model = build("small_cnn-w4", 10, 1, generator=generator).requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    drawn = torch.random.get_rng_state()
    speed = measure_speed(Case(model, digits("train")), time.process_time)
    assert min(speed.forward, speed.gradient, speed.training, speed.adapting) > 0
    assert min(speed.split, speed.test) > 0
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert torch.equal(drawn, torch.random.get_rng_state())


class Diverging(torch.nn.Module):
    """Answers are finite; the gradient of the square root of zero is not."""

    def __init__(self) -> None:
        super().__init__()
        self.net = build("small_cnn-w4", 10, 1, generator=torch.Generator().manual_seed(0))
        self.zero = torch.nn.Parameter(torch.zeros(10))

    def forward(self, images):
        return self.net(images) + self.zero.sqrt()


def test_a_model_whose_training_would_diverge_is_measured_without_a_warning():
    assert measure_speed(Case(Diverging(), digits("train"))).training > 0


def test_what_does_not_fit_is_left_to_the_work_to_refuse():
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3, 10))
    assert measure_speed(Case(model, digits("train"))) == Speed()


def test_each_step_costs_what_its_counts_and_the_speed_say():
    speed = Speed(
        forward=1.0, gradient=2.0, training=3.0, adapting=1.5, step=4.0, split=5.0, test=6.0
    )
    workload = Workload(images=2560, classes=10, test_images=100)
    assert workload.group_count == 2 * (1 + 2 * 2) * 10
    assert workload.test_seconds(speed) == 5 * 2 * 2560 + 6 * workload.group_count
    assert workload.search_seconds(speed) == 4 * 2 * 20
    # batches of 128: 15 epochs of 20 steps are the 300 steps at the least
    assert workload.unlearning_seconds(speed) == 3 * 15 * 2560 + 4 * 300
    # batches of 108 of 2,176 images: 6 epochs of 21 steps are 126
    retraining = 1.5 * 6 * 2176 + 4 * 126 + 0.15 * 2560
    assert workload.retraining_seconds(speed) == pytest.approx(retraining)
    assert workload.retraining_seconds(replace(speed, adapting=0.0)) == 0


def test_with_a_second_opinion_nothing_is_retrained_and_a_base_is_fine_tuned_in_fewer_steps():
    speed = Speed(training=3.0, adapting=1.5, step=4.0, witness=2.0)
    workload = Workload(images=2560, has_second_opinion=True, has_base=True)
    assert workload.retraining_seconds(speed) == 0
    assert workload.unlearning_seconds(speed) == 3 * 8 * 2560 + 4 * 160  # 150 steps at the least


def test_what_is_done_only_with_suspects_is_told_beside_what_is_always_done():
    steps = (Step("test", ("tests",), 20.0), Step("unlearn", ("unlearning",), 200.0, True))
    assert plan_line(steps) == "2 steps, about 20 seconds; about 3.5 minutes if it finds poison"
    assert plan_line(steps[:1]) == "1 steps, about 20 seconds"


def test_progress_goes_by_steps_and_never_back():
    steps = StepProgress(STEPS)
    assert steps.update("read", 5, 10)
    assert (steps.position, steps.share) == (0, 0.05)
    assert steps.update("fit", 0, 4)
    assert steps.headline() == "step 2 of 2: train on it"
    assert not steps.update("fit", 2, 4)
    assert steps.share == pytest.approx(0.55)
    steps.update("read", 0, 10)
    steps.update("whatever", 1, 1)
    assert (steps.position, steps.share) == (1, pytest.approx(0.55))
    assert steps.update("fit", 1, 4)


def terminal(monkeypatch, width: int) -> io.StringIO:
    out = io.StringIO()
    made = SafeConsole(file=out, force_terminal=True, width=width, highlight=False)
    monkeypatch.setattr(progress_displays, "safe_console", lambda **_: made)
    return out


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_the_whole_and_the_step_in_its_width(monkeypatch, width):
    out = terminal(monkeypatch, width)
    with ProgressDisplay() as bars:
        bars.plan(planned_like())
        for phase in ("activations", "retraining", "tests", "boundary", "decoupling", "test"):
            bars("" or phase, 10_000, 20_000)
            bars._bars.refresh()
        bars.finish(lambda: None)
    shown = out.getvalue()
    assert "8 steps, about 40 seconds" in shown
    assert "step 6 of 8: unlearn the backdoor in a copy" in shown
    assert "10,000/20,000" in shown
    # a line that is too long would be wrapped, and end in the middle of a word
    assert "left" in shown.splitlines()[3] or "left" in shown


def planned_like() -> tuple[Step, ...]:
    return tuple(Step(step.words, step.phases, 5.0) for step in demo_steps()[1:])


def test_a_log_has_a_line_for_each_long_step(monkeypatch, capsys):
    monkeypatch.setattr(progress_displays, "LOG_AFTER_SECONDS", -1.0)
    with ProgressDisplay() as log:
        log.plan(STEPS)
        for done in range(3):
            log("read", done, 3)
        log("fit", 1, 2)
        log.finish(lambda: sys.stderr.write("told\n"))
        log("gallery", 1, 2)
    assert capsys.readouterr().err.splitlines() == [
        "2 steps, about 10 seconds",
        "step 1 of 2: read it ...",
        "step 2 of 2: train on it ...",
        "told",
        "drawing suspects ...",
    ]


def test_what_is_quiet_says_nothing(capsys):
    with ProgressDisplay(quiet=True) as log:
        log.plan(STEPS)
        log("read", 1, 2)
        log.finish(lambda: sys.stdout.write("never"))
    assert capsys.readouterr() == ("", "")


def test_a_caller_chooses_what_is_shown(monkeypatch):
    told = []
    with show_progress(lambda *given: told.append(given)) as (own, plan):
        own("read", 1, 2)
        plan(STEPS)
    assert told == [("read", 1, 2)]
    for choice in (False, None):
        with show_progress(choice) as (given, _):
            assert given is no_progress
    with show_progress(True) as (given, _):
        assert isinstance(given, ProgressDisplay)


def test_a_notebook_shows_a_bar_of_plain_html_that_is_gone_at_the_end(monkeypatch):
    drawn: list[str] = []
    display = SimpleNamespace(
        HTML=str, display=lambda first, display_id: SimpleNamespace(update=drawn.append)
    )
    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1), display=display)
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    assert progress_displays.in_notebook()
    with show_progress(None) as (told, plan):
        plan((Step("read <it>", ("read",), 4.0), *STEPS[1:]))
        told("read", 1, 2)
        told("fit", 3, 4)
    assert "step 1 of 2: read &lt;it&gt;" in drawn[0]
    assert 'max="1"' in drawn[1]
    assert "fit: 3 of 4" in drawn[1]
    assert drawn[-1] == ""
