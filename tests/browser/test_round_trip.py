"""From a run to its page, from the page to a file, and from the file to a repair that obeys it."""

import csv
import json

from backburn.report.gallery_files import read_gallery
from backburn.serve.decisions import Decisions


def test_what_is_decided_on_the_page_is_what_the_repair_does(cli, chromium, saved, tmp_path):
    victim, run, fixed = tmp_path / "victim", tmp_path / "run", tmp_path / "fixed"
    settings = ("--rate", "0.1", "--set", "recipe.training.epochs=16")
    assert cli("attack", "badnets", "digits", *settings, "--out", victim).code == 0
    assert cli("audit", victim, "--out", run).code == 3
    assert cli("report", run).code == 0
    page = chromium.new_page()
    page.goto((run / "report.html").as_uri())
    page.wait_for_selector(".tile")
    shown = page.locator(".tile:visible > bdi.name").all_inner_texts()
    for key in "jrraa":
        page.keyboard.press(key)
    review = tmp_path / "review.csv"
    review.write_bytes(saved(page))
    page.close()
    gallery = read_gallery(run)
    served = Decisions(run / "review.csv", gallery)
    for place, decided in Decisions(review, gallery).decided.items():
        served.decide(place, decided, None)
    assert (run / "review.csv").read_bytes() == review.read_bytes()
    done = cli("repair", run, "--review", review, "--out", fixed, "--json")
    assert done.code == 0, done.err
    counts = json.loads(done.out)["review"]
    assert (counts["rejected"], counts["accepted"]) == (2, 2)
    with (fixed / "suspects.csv").open(newline="") as file:
        left = {row["image"] for row in csv.DictReader(file)}
    assert not left & set(shown[:2])
    assert left >= set(shown[2:4])
