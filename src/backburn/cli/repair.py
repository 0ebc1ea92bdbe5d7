"""`backburn repair`: the whole of BURN."""

import click

from . import options
from .main import EXIT_CODES


@click.command("repair", short_help="Restore the labels and clean the model.")
@options.case
@options.out
@click.option("--holdout", help="Images that are known to be clean; they are trained on, too.")
@click.option(
    "--method",
    default="default",
    show_default=True,
    help="default, or paper: BURN as published, which takes the model to be backdoored.",
)
@click.option("--test", help="Clean test images, to measure accuracy before and after.")
@options.device
@options.seed
@options.settings
@options.as_json
def command(
    given: options.Given,
    out: str | None,
    holdout: str | None,
    method: str,
    test: str | None,
    device: str,
    seed: int,
    config: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Find the poisoned images, give them back their labels, and clean the model.

    Give MODEL and DATA (the training images), or one folder that attack wrote, as for `audit`. The
    model given is left as it is; the repaired one is RUN/model, in the format that it came in. Exit
    code: 0 clean or repaired, 4 suspicious (too little evidence to repair anything), 5 abstained.

    \b
    backburn repair model.pt photos/ --arch torchvision:resnet18 --out fixed
    backburn repair victim/
    """
    from ..catalogue import method_named
    from ..config import configure
    from ..models.inference import best_device
    from ..runs import Stopwatch, drop_work, plan_run, plan_work
    from .mending import mend, publish
    from .opening import open_case
    from .screen import ShowProgress

    burn, where = configure(method_named(method)(), config, settings), best_device(device)
    path, watch = plan_run(out, "repair"), Stopwatch()
    with ShowProgress(quiet=as_json) as progress:
        with watch("read"):
            opened = open_case(given, test, seed, where, progress)
            opened = opened.trusting(holdout, progress)
        progress.say(opened.notes)
        said = {**opened.said(given), "test": test, "method": method, "holdout": holdout}
        mended = mend("repair", opened, said, burn, seed, watch, progress, plan_work(out))
    publish(mended, path, as_json)
    drop_work(out)
    state = mended.summary["verdict"]["state"]
    return EXIT_CODES[state] if state in ("suspicious", "abstained") else 0
