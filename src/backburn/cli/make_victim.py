"""The verb `attack`: make a victim and write it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..attacks.base import Recipe
from ..attacks.surrogates import Surrogates
from ..attacks.victim_folder import Layout, dump_victim
from ..config import configure, to_toml
from ..models.inference import best_device
from ..registry import attack_named
from ..runs import Stopwatch, new_record, write_run
from ..services.attack import Plan, default_recipe, digests, make, read_both
from ..services.progress import ShowProgress
from ..services.terminal import print_json
from .job import job
from .output import print_made


def make_and_write(
    name: str,
    data: str,
    out: str | None,
    rate: float | None,
    target: int | None,
    arch: str | None,
    limit: int | None,
    test: str | None,
    layout: Layout,
    surrogates: str | None,
    device: str,
    seed: int,
    config: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """The verb `attack`."""
    kind = attack_named(name)
    options: dict[str, Any] = {"poisoning_rate": rate, "target_label": target}
    attack = kind(**{key: value for key, value in options.items() if value is not None})
    recipe = Recipe() if arch is None else Recipe(architecture=arch)
    configure(Plan(attack, recipe), config, settings)  # fails before anything is read
    planned, watch, where = job("attack", out), Stopwatch(), best_device(device)
    with ShowProgress(quiet=as_json) as progress:
        with watch("read"):
            images, held_out = read_both(data, test, limit, seed, progress)
        recipe = default_recipe(images, arch)
        plan = configure(Plan(attack, recipe), config, settings)
        given = {"attack": name, "data": data, "test": test, "limit": limit}
        with planned.going(digests(plan, images, held_out)) as work:
            kept = Surrogates(Path(surrogates) if surrogates else None, progress, work)
            made = make(plan, images, held_out, where, seed, watch, progress, kept, work)
            with watch("write"):
                files = dump_victim(made.victim, made.exam, progress, layout)
            scores = asdict(made.scores)
            record = new_record("attack", given, seed, watch.seconds, scores, str(where))
            write_run(planned.path, record, {"config.toml": to_toml(plan), **files})
    if as_json:
        print_json({"run": str(planned.path), "victim": made.scores, "seconds": watch.seconds})
    else:
        print_made(made.scores, images, held_out, planned.path)
    return 0
