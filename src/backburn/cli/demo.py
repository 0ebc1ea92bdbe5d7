"""`backburn demo`: the whole chain on handwritten digits, in well under two minutes."""

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
    from ..data.digest import digest
    from ..data.sources.digits import digits
    from ..models.inference import best_device
    from ..runs import Stopwatch
    from ..services.attack import Plan, default_recipe, make
    from ..services.audit_repair import repair_case
    from ..services.opened_case import Opened
    from ..services.progress import ShowProgress
    from ..services.time_estimate import demo_steps
    from ..services.write_run import write_with_pictures
    from .job import job
    from .outcome import tell, tell_end

    # on 8x8 images threads wait for each other longer than they work
    torch.set_num_threads(1)
    burn, where = configure(BURN(), config, settings), best_device(device)
    planned, watch = job("demo", out), Stopwatch()
    made_of = {"settings": digest(to_toml(burn))}
    with ShowProgress(quiet=as_json) as progress, planned.going(made_of) as work:
        progress.plan(demo_steps())
        with watch("read"):
            images, test = digits("train"), digits("test")
        plan = Plan(BadNets(poisoning_rate=0.05), default_recipe(images))
        made = make(plan, images, test, where, seed, watch, progress, None, work)
        victim = made.victim
        fit = burn.fit.measure(victim.model, victim.images)
        opened = Opened(victim.case(), len(victim.images), victim.truth, made.exam, fit=fit)
        given = {"attack": "badnets", "data": "digits", "rate": 0.05}
        outcome = repair_case("demo", opened, given, burn, seed, watch, progress, work)
        progress.finish(partial(tell, outcome))
        record = write_with_pictures(planned.path, outcome, progress, work)
    tell_end(record, planned.path, as_json)
    return 0
