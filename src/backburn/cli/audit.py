"""`backburn audit`: verdict and suspects; changes nothing."""

import click

from . import options
from .main import EXIT_CODES


@click.command("audit", short_help="Was this model backdoored, and by which images?")
@options.case
@options.out
@options.device
@options.seed
@options.settings
@options.as_json
def command(
    given: options.Given,
    out: str | None,
    device: str,
    seed: int,
    config: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Say whether a model was backdoored by its training images, and by which.

    Give MODEL and DATA (the training images), or one folder that attack wrote. MODEL is weights of
    any kind with --arch, a Hugging Face folder, TorchScript, or another toolkit's record; DATA a
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
    from ..runs import (
        Stopwatch,
        drop_work,
        new_record,
        plan_run,
        to_json,
        write_run,
    )
    from .casework import exhibit, match_truth, verdict_summary
    from .opening import open_case
    from .screen import ShowProgress, found_line, print_json, print_verdict
    from .working import work_of

    burn, where = configure(BURN(), config, settings), best_device(device)
    path, watch = plan_run(out, "audit"), Stopwatch()
    with ShowProgress(quiet=as_json) as progress:
        with watch("read"):
            opened = open_case(given, None, seed, where, progress)
        progress.say(opened.notes)
        with watch("boundary"):
            generator, work = torch.Generator().manual_seed(seed), work_of(out)
            result = burn.audit(opened.case, generator, progress, work)
        with watch("gallery"):
            result, shown = exhibit(opened, result, burn.search_budget, progress, work)
    images, found = opened.case.images, match_truth(opened, result)
    verdict = verdict_summary(opened, result)
    record = new_record(
        "audit",
        opened.said(given),
        seed,
        watch.seconds,
        {"verdict": verdict, "suspects": found, "notes": opened.notes},
        str(where),
    )
    files = {
        "config.toml": to_toml(burn),
        "verdict.json": to_json(verdict),
        **shown,
    }
    write_run(path, record, files)
    drop_work(out)
    if as_json:
        summary = {**record.metrics, "seconds": watch.seconds}
        print_json({**summary, "run": str(path)})
    else:
        print_verdict(images, verdict)
        click.echo(found_line(found) if found and found.tpr == found.tpr else "", nl=bool(found))
        click.echo(f"run: {path}")
    return EXIT_CODES[result.verdict.state]
