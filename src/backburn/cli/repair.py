"""`backburn repair`: restore the labels and clean the model."""

import click

from ..services.case_options import CaseOptions
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
    case: CaseOptions,
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
    from ..registry import METHODS
    from ..runs import Stopwatch
    from ..services.audit_repair import fit_check_of, repair_case
    from ..services.base_and_witness import check_takes_pretrained
    from ..services.open_case import open_case
    from ..services.progress_displays import ProgressDisplay
    from ..services.repair_options import (
        WATCHED_DIGESTS,
        RepairOptions,
        changes_since,
        resolve_options,
    )
    from ..services.result_tables import case_digests
    from ..services.review_outcomes import open_review
    from ..services.time_estimate import planned_steps
    from ..services.write_run import add_pictures, write_outcome
    from .connect_cluster import cluster_connection, executor_on
    from .planned_run import plan_job
    from .print_outcome import print_end, print_outcome

    resolved = resolve_options(RepairOptions(case, seed, test, holdout, method, config))
    case, seed, method = resolved.case, resolved.seed or 0, resolved.method or "default"
    burn = configure(METHODS.named(method)(), resolved.config, settings)
    check_takes_pretrained(burn, case.base, case.witness)
    torch_device, job, stopwatch = best_device(device), plan_job("repair", out), Stopwatch()
    with ProgressDisplay(quiet=as_json) as progress, cluster_connection(cluster):
        with stopwatch("read"):
            check = fit_check_of(burn)
            opened = open_case(case, resolved.test, seed, torch_device, progress, check)
            opened = opened.load_holdout(resolved.holdout, progress)
            review_file = open_review(review, opened.case.images)
        made_of = case_digests(opened, burn, review_file.sha256 if review_file else None)
        opened = opened.with_notes(changes_since(resolved.run, made_of))
        progress.echo(opened.notes)
        evaluation = opened.evaluation_set
        test_images = len(evaluation.clean) + len(evaluation.triggered) if evaluation else 0
        own = burn if isinstance(burn, BURN) else None
        progress.plan(planned_steps("repair", opened.case, test_images, own))
        arguments = {
            **opened.record_arguments(case),
            "made_of": {name: made_of[name] for name in WATCHED_DIGESTS},
            "run": resolved.run,
            "test": resolved.test,
            "method": method,
            "holdout": resolved.holdout,
            "review": review_file.reference() if review_file else None,
        }
        with job.running(made_of) as local:
            executor = executor_on(cluster, local)
            outcome = repair_case(
                "repair",
                opened,
                arguments,
                burn,
                seed,
                stopwatch,
                progress,
                executor,
                review_file,
            )
            record = write_outcome(job.path, outcome)
            progress.finish(partial(print_outcome, outcome))
            record = add_pictures(job.path, record, outcome, progress, executor)
        progress.echo(executor.notes)
    print_end(record, job.path, as_json)
    verdict = record.metrics["verdict"]
    if review and verdict["suspects"]:
        return 0  # a person decided where the evidence did not suffice
    state = verdict["state"]
    return EXIT_CODES[state] if state in ("suspicious", "abstained") else 0
