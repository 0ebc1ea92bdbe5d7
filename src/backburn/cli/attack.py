"""`backburn attack`: make a victim, to try a defense on."""

from typing import TYPE_CHECKING, Any

import click

from . import options

if TYPE_CHECKING:
    from ..attacks.victim_folder import Layout


@click.command("attack", short_help="Make a victim to try a defence on.")
@click.argument("name")
@click.argument("data")
@options.out
@click.option("--rate", type=float, help="Poisoned images as a fraction of the whole training set.")
@click.option("--target", type=int, help="The class that triggered images shall be taken for.")
@click.option("--arch", help="The victim's network, such as preact_resnet18.")
@click.option("--limit", type=click.IntRange(1), help="Take the first so many training images.")
@click.option("--test", help="Test images.  [default: DATA's test split, or a fifth of DATA]")
@click.option(
    "--layout",
    default="parquet",
    show_default=True,
    type=click.Choice(["parquet", "folder"]),
    help="Training images as one file, or one folder a class.",
)
@click.option(
    "--surrogates", type=click.Path(), help="Folder that keeps auxiliary networks for later."
)
@options.device
@options.seed
@options.settings
@options.as_json
def command(
    name: str,
    data: str,
    out: str | None,
    rate: float | None,
    target: int | None,
    arch: str | None,
    limit: int | None,
    test: str | None,
    layout: "Layout",
    surrogates: str | None,
    device: str,
    seed: int,
    config: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Poison DATA with the attack NAME and train a victim on it.

    NAME is one of adap_blend, adap_patch, adaptive, all_to_all, badnets, blended, bpp, combat,
    ftrojan, grond, iad, issba, lc, lf, multi_trigger, narcissus, sig, tact, trojan, trojannn,
    wanet, or none for a clean model. DATA is 'digits', a folder with one folder of images a class,
    or parquet with columns image and label. The victim's folder can be given to audit and repair.

    \b
    backburn attack badnets digits --out victim
    backburn attack sig photos/ --rate 0.03 --set recipe.training.epochs=40
    """
    from dataclasses import asdict
    from pathlib import Path

    from ..attacks.base import Recipe
    from ..attacks.surrogates import Surrogates
    from ..attacks.victim_folder import dump_victim
    from ..config import configure, to_toml
    from ..models.inference import best_device
    from ..registry import ATTACKS
    from ..runs import Stopwatch, new_record, write_run
    from ..services.attack import (
        AttackPlan,
        attack_digests,
        default_recipe,
        load_train_and_test,
        make_victim,
    )
    from ..services.progress_displays import ProgressDisplay
    from ..services.terminal_escapes import print_json
    from .output import print_victim
    from .planned_run import plan_job

    attack_class = ATTACKS.named(name)
    fields: dict[str, Any] = {"poisoning_rate": rate, "target_label": target}
    attack = attack_class(**{key: value for key, value in fields.items() if value is not None})
    recipe = Recipe() if arch is None else Recipe(architecture=arch)
    configure(AttackPlan(attack, recipe), config, settings)  # fail before anything is read
    job, stopwatch, torch_device = plan_job("attack", out), Stopwatch(), best_device(device)
    with ProgressDisplay(quiet=as_json) as progress:
        with stopwatch("read"):
            images, test_images = load_train_and_test(data, test, limit, seed, progress)
        recipe = default_recipe(images, arch)
        plan = configure(AttackPlan(attack, recipe), config, settings)
        arguments = {"attack": name, "data": data, "test": test, "limit": limit}
        with job.running(attack_digests(plan, images, test_images)) as executor:
            cache = Surrogates(Path(surrogates) if surrogates else None, progress, executor)
            outcome = make_victim(
                plan, images, test_images, torch_device, seed, stopwatch, progress, cache, executor
            )
            with stopwatch("write"):
                files = dump_victim(outcome.victim, outcome.evaluation_set, progress, layout)
            scores = asdict(outcome.scores)
            record = new_record(
                "attack", arguments, seed, stopwatch.seconds, scores, str(torch_device)
            )
            write_run(job.path, record, {"config.toml": to_toml(plan), **files})
    if as_json:
        print_json({"run": str(job.path), "victim": outcome.scores, "seconds": stopwatch.seconds})
    else:
        print_victim(outcome.scores, images, test_images, job.path)
    return 0
