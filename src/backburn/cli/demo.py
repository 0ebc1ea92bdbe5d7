"""`backburn demo`: attack, audit and repair on handwritten digits, in under two minutes."""

import click

from . import options


@click.command("demo", short_help="The whole chain on handwritten digits.")
@options.out
@options.device
@options.seed
@options.settings
@options.as_json
def command(
    out: str | None,
    device: str,
    seed: int,
    config: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Poison scikit-learn's digits (BadNets, 5 %), train, audit, repair, and compare.

    --config and --set change the repair, as in `backburn repair`.
    """
    from functools import partial

    import torch

    from ..attacks.badnets import BadNets
    from ..burn.burn import BURN
    from ..config import configure, to_toml
    from ..data.sources.digits import digits
    from ..data.tensor_digest import digest
    from ..models.inference import best_device
    from ..runs import Stopwatch
    from ..services.attack import AttackPlan, default_recipe, make_victim
    from ..services.audit_repair import repair_case
    from ..services.opened_case import OpenedCase
    from ..services.progress_displays import ProgressDisplay
    from ..services.time_estimate import demo_steps
    from ..services.write_run import write_with_pictures
    from .planned_run import plan_job
    from .print_outcome import print_end, print_outcome

    # on 8x8 images the overhead of threads exceeds their work
    torch.set_num_threads(1)
    burn, torch_device = configure(BURN(), config, settings), best_device(device)
    job, stopwatch = plan_job("demo", out), Stopwatch()
    made_of = {"settings": digest(to_toml(burn))}
    with ProgressDisplay(quiet=as_json) as progress, job.running(made_of) as executor:
        progress.plan(demo_steps())
        with stopwatch("read"):
            images, test = digits("train"), digits("test")
        plan = AttackPlan(BadNets(poisoning_rate=0.05), default_recipe(images))
        attacked = make_victim(
            plan, images, test, torch_device, seed, stopwatch, progress, executor=executor
        )
        victim = attacked.victim
        fit = burn.fit.measure(victim.model, victim.images)
        opened = OpenedCase(
            victim.case(), len(victim.images), victim.truth, attacked.evaluation_set, fit=fit
        )
        arguments = {"attack": "badnets", "data": "digits", "rate": 0.05}
        outcome = repair_case("demo", opened, arguments, burn, seed, stopwatch, progress, executor)
        progress.finish(partial(print_outcome, outcome))
        record = write_with_pictures(job.path, outcome, progress, executor)
    print_end(record, job.path, as_json)
    return 0
