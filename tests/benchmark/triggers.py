"""Seconds to trigger 50,000 images of CIFAR-10's size, by every attack that needs no network.

python tests/benchmark/triggers.py [--count 50000] [--threads 2]
"""

import argparse
import statistics
import sys
import time

import torch

from backburn.attacks.surrogates import Surrogates
from backburn.registry import ATTACKS
from backburn.types import LabeledImages

TRAINED = {"iad", "issba", "lc", "none", "trojannn"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (options.count, 3, 32, 32), generator=generator).to(torch.uint8)
    images = LabeledImages(pixels[:2000], torch.arange(2000) % 10)
    copying = timed(torch.clone, pixels, options.repeats)
    sys.stdout.write(f"{'attack':12} {'median s':>9} {'fastest s':>10} {'x a plain copy':>15}\n")
    for name in sorted(set(ATTACKS) - TRAINED):
        planted = ATTACKS[name]().poison(images, torch.Generator().manual_seed(0), Surrogates())
        seconds = timed(planted.trigger, pixels, options.repeats)
        middle = statistics.median(seconds)
        ratio = middle / statistics.median(copying)
        sys.stdout.write(f"{name:12} {middle:9.2f} {min(seconds):10.2f} {ratio:15.1f}\n")


def timed(function, pixels, repeats: int) -> list[float]:
    """Seconds of each call; the first call is left out."""
    function(pixels)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function(pixels)
        seconds.append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    main()
