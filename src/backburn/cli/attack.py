"""`backburn attack`: make a victim, to try a defence on."""

from typing import Any

import click

from . import options


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
def command(**given: Any) -> int:
    """Poison DATA with the attack NAME and train a victim on it.

    NAME is one of adap_blend, adap_patch, all_to_all, badnets, blended, bpp, ftrojan, iad, issba,
    lc, lf, sig, tact, trojan, trojannn, wanet, or none for a clean model. DATA is 'digits', a
    folder with one folder of images a class, or parquet with columns image and label. The victim's
    folder can be given to audit and repair.

    \b
    backburn attack badnets digits --out victim
    backburn attack sig photos/ --rate 0.03 --set recipe.training.epochs=40
    """
    from .make_victim import make_and_write

    return make_and_write(**given)
