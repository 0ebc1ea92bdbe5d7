"""`backburn repair`: the whole of BURN."""

import click

from ..services.case_options import Given
from . import options
from .main import EXIT_CODES


@click.command("repair", short_help="Restore the labels and clean the model.")
@options.case
@options.out
@click.option("--holdout", help="Images that are known to be clean; they are trained on, too.")
@click.option(
    "--method",
    help="default, or paper: BURN as published, which takes the model to be backdoored.",
)
@click.option("--test", help="Clean test images, to measure accuracy before and after.")
@click.option(
    "--review",
    type=click.Path(),
    help="review.csv: what a person decided about suspects; every decision is honoured.",
)
@options.device
@options.cluster
@options.seed_of_run
@options.settings
@options.as_json
def command(
    given: Given,
    out: str | None,
    holdout: str | None,
    method: str | None,
    test: str | None,
    review: str | None,
    device: str,
    cluster: options.Cluster,
    seed: int | None,
    config: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Find the poisoned images, give them back their labels, and clean the model.

    Give MODEL and DATA (the training images), or one folder that attack wrote, as for `audit`; or
    the folder of an audit or repair, to repair what it looked at with its settings. The model given
    is left as it is; the repaired one is RUN/model, in the format that it came in. Exit code: 0
    clean or repaired, 4 suspicious (too little evidence to repair anything), 5 abstained.

    \b
    backburn repair model.pt photos/ --arch torchvision:resnet18 --out fixed
    backburn repair victim/
    backburn repair runs/audit-20261125-101500 --review review.csv
    """
    from functools import partial

    from ..burn.burn import BURN
    from ..config import configure
    from ..models.inference import best_device
    from ..registry import method_named
    from ..runs import Stopwatch
    from ..services.apply_review import open_review
    from ..services.audit_repair import fit_check_of, repair_case
    from ..services.base_and_witness import check_used
    from ..services.open_case import open_case
    from ..services.progress import ShowProgress
    from ..services.repair_run import WATCHED, Asked, again, changed_since
    from ..services.result_tables import case_digests
    from ..services.time_estimate import planned_steps
    from ..services.write_run import add_pictures, write_outcome
    from .cluster import on_cluster, work_on
    from .job import job
    from .outcome import tell, tell_end

    asked = again(Asked(given, seed, test, holdout, method, config))
    given, seed, method = asked.given, asked.seed or 0, asked.method or "default"
    burn = configure(method_named(method)(), asked.config, settings)
    check_used(burn, given.base, given.witness)
    where, planned, watch = best_device(device), job("repair", out), Stopwatch()
    with ShowProgress(quiet=as_json) as progress, on_cluster(cluster):
        with watch("read"):
            opened = open_case(given, asked.test, seed, where, progress, fit_check_of(burn))
            opened = opened.trusting(asked.holdout, progress)
            reviewed = open_review(review, opened.case.images)
        made_of = case_digests(opened, burn, reviewed.sha256 if reviewed else None)
        opened = opened.noting(changed_since(asked.run, made_of))
        progress.say(opened.notes)
        exam, known = opened.exam, burn if isinstance(burn, BURN) else None
        tested = len(exam.clean) + len(exam.triggered) if exam else 0
        progress.plan(planned_steps("repair", opened.case, tested, known))
        said = {
            **opened.said(given),
            "made_of": {name: made_of[name] for name in WATCHED},
            "run": asked.run,
            "test": asked.test,
            "method": method,
            "holdout": asked.holdout,
            "review": reviewed.said() if reviewed else None,
        }
        with planned.going(made_of) as kept:
            work = work_on(cluster, kept)
            doing = (opened, said, burn, seed, watch, progress, work, reviewed)
            outcome = repair_case("repair", *doing)
            record = write_outcome(planned.path, outcome)
            progress.finish(partial(tell, outcome))
            record = add_pictures(planned.path, record, outcome, progress, work)
        progress.say(work.notes)
    tell_end(record, planned.path, as_json)
    verdict = record.metrics["verdict"]
    if review and verdict["suspects"]:
        return 0  # a person has decided where the evidence did not
    state = verdict["state"]
    return EXIT_CODES[state] if state in ("suspicious", "abstained") else 0
