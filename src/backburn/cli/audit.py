"""`backburn audit`: verdict and suspects; changes nothing."""

import click

from . import options
from .main import EXIT_CODES


@click.command("audit", short_help="Was this model backdoored, and by which images?")
@options.case
@options.out
@options.device
@options.cluster
@options.seed
@options.settings
@options.as_json
def command(
    given: options.Given,
    out: str | None,
    device: str,
    cluster: options.Cluster,
    seed: int,
    config: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Say whether a model was backdoored by its training images, and by which.

    Give MODEL and DATA (the training images), or one folder that attack wrote. MODEL is weights of
    any kind with --arch, a Hugging Face folder, or another toolkit's record; DATA a
    folder, a table, parquet, arrays, tar archives or hf:owner/name. Exit code: 0 clean, 3
    backdoored, 4 suspicious, 5 abstained (and it says why).

    \b
    backburn audit model.pt photos/ --arch torchvision:resnet18
    backburn audit victim/
    """
    import torch

    from ..burn.burn import BURN
    from ..config import configure, to_toml
    from ..models.inference import best_device
    from ..runs import Stopwatch, new_record, to_json, write_run
    from .again import WATCHED
    from .casework import case_digests, exhibit, match_truth, verdict_summary
    from .clusters import on_cluster, work_on
    from .jobs import job
    from .opening import open_case
    from .progress import ShowProgress
    from .screen import found_line, print_verdict
    from .terminal import print_json, say

    burn, where = configure(BURN(), config, settings), best_device(device)
    planned, watch = job("audit", out), Stopwatch()
    with ShowProgress(quiet=as_json) as progress, on_cluster(cluster):
        with watch("read"):
            opened = open_case(given, None, seed, where, progress)
        progress.say(opened.notes)
        made_of = case_digests(opened, burn)
        with planned.going(made_of) as kept:
            work = work_on(cluster, kept)
            with watch("boundary"):
                generator = torch.Generator().manual_seed(seed)
                result = burn.audit(opened.case, generator, progress, work)
            with watch("gallery"):
                result, shown = exhibit(opened, result, burn.search_budget, progress, work)
            found, verdict = match_truth(opened, result), verdict_summary(opened, result)
            notes = (*opened.notes, *work.notes)
            metrics = {"verdict": verdict, "suspects": found, "notes": notes}
            watched = {name: made_of[name] for name in WATCHED}
            said = {**opened.said(given), "made_of": watched}
            record = new_record("audit", said, seed, watch.seconds, metrics, str(where))
            listed = {"config.toml": to_toml(burn), "verdict.json": to_json(verdict)}
            write_run(planned.path, record, {**listed, **shown})
        progress.say(work.notes)
    if as_json:
        summary = {**record.metrics, "seconds": watch.seconds}
        print_json({**summary, "run": str(planned.path)})
    else:
        print_verdict(opened.case.images, verdict)
        if found:
            say(found_line(found) if found.tpr == found.tpr else "")
        say(f"run: {planned.path}")
    return EXIT_CODES[result.verdict.state]
