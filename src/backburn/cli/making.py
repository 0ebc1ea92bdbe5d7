"""Making a victim, for `attack` and `demo`."""

import dataclasses
from dataclasses import dataclass

from ..attacks.base import Attack, Recipe
from ..attacks.folder import dump_victim
from ..catalogue import attack_named
from ..config import configure, to_toml
from ..models.inference import best_device
from ..runs import Stopwatch, new_record, plan_run, write_run
from .screen import console, progress_bars, scores_table


@dataclass(frozen=True)
class Plan:
    """What `attack` reads from a config file."""

    attack: Attack
    recipe: Recipe


def make_victim(
    name: str,
    data: str,
    out: str | None,
    rate: float | None,
    target: int | None,
    arch: str | None,
    limit: int | None,
    test: str | None,
    seed: int,
    config: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """The verb `attack`."""
    kind = attack_named(name)
    path, watch = plan_run(out, "attack"), Stopwatch()
    with progress_bars(quiet=as_json) as progress:
        with watch("read"):
            images, held_out = read_both(data, test, limit, seed, progress)
        plan = configure(Plan(kind(), default_recipe(images)), config, settings)
        plan = _with_options(plan, rate, target, arch)
        victim, exam, scores = build_victim(plan, images, held_out, seed, watch, progress)
        files = dump_victim(victim, exam, plan.recipe.architecture)
    record = new_record(
        "attack",
        {"attack": name, "data": data, "test": test, "limit": limit},
        seed,
        watch.seconds,
        dataclasses.asdict(scores),
        str(best_device()),
    )
    write_run(path, record, {"config.toml": to_toml(plan), **files})
    summary = {"run": str(path), "scores": dataclasses.asdict(scores), "seconds": watch.seconds}
    if as_json:
        click_json(summary)
    else:
        console.print(scores_table({"victim": scores}))
        console.print(f"The victim is in {path}: backburn audit {path}")
    return 0
