"""Benchmarks of identity: the first night's linking, nights that do only the night's work, accuracy, floods.

What belongs here: the steps of each benchmark and the figure that is asked of it. What does not: how a process is
measured (`measuring`), and what a step does (`link_stage`, `accuracy`, `floods`, `datasets`, `plain_splink`).
"""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path

from tests.benchmarks.measuring import NIGHT, Figure, measure, module, night, synthesise

SECOND, THIRD = "2026-04-02", "2026-04-03"
CHANGED = 0.01
ACCURACY_PEOPLE, ACCURACY_SEED = 200_000, 20_261
"""People, and a seed that no model of this repository was trained on."""


def _staged(work: Path, people: int) -> tuple[Path, Path, list[Figure]]:
    """A made-up night that is taken in and not linked; made once for the benchmarks that start from it."""
    folder, home = work / f"link_{people}", work / f"link_{people}_home"
    if (home / "staging" / NIGHT).is_dir() and (folder / "registry.yaml").is_file():
        return folder, home, []
    shutil.rmtree(home, ignore_errors=True)
    made = synthesise(folder, people, history_months=0)
    return folder, home, [made, _step("take the night in", home, "take-in", folder, NIGHT)]


def _step(name: str, home: Path, *arguments: object) -> Figure:
    return measure(name, module("link_stage", *arguments), REGISTRY_HOME=str(home))


def _afresh(folder: Path, home: Path, name: str) -> Figure:
    """The link stage as on the first night: no linked night and no registry before it."""
    shutil.rmtree(home / "registry", ignore_errors=True)
    return _step(name, home, "link", folder, NIGHT, "--afresh")


def first_link(work: Path, people: int, repeat: int) -> list[Figure]:
    """The link stage of the first night against the plain Splink script over the same person records, in turn."""
    folder, home, figures = _staged(work, people)
    records = sorted(str(p) for p in (home / "staging" / NIGHT).glob("*/person_record.parquet"))
    ratios = []
    for turn in range(1, repeat + 1):
        ours = _afresh(folder, home, f"link stage of the first night, turn {turn}")
        plain = measure(f"plain Splink script, turn {turn}", module("plain_splink", *records))
        ratios.append(ours.seconds / plain.seconds)
        figures += [ours, plain]
    figures[-1].told["ratio_of_linking"] = statistics.median(ratios)
    peak = max(f.peak_gb for f in figures if f.name.startswith("link stage"))
    print(f"  first night's linking / plain Splink script: {statistics.median(ratios):.2f} (asked: at most 1.5)")
    print(f"  peak memory of linking: {peak:.2f} GB (asked: under 6)", flush=True)
    return figures


def changed_night(work: Path, people: int, _repeat: int) -> list[Figure]:
    """The link stage of a second night with 1% of the records changed, against the first night's; then a third night.

    The third night changes another 1%, so that what a night hands on to the next is measured too.
    """
    folder, home, figures = _staged(work, people)
    first = _afresh(folder, home, "link stage of the first night")
    figures += [first, _step("publish the first night", home, "publish", folder, NIGHT)]
    before, ratios = NIGHT, []
    for to in (SECOND, THIRD):
        _step(f"make the night {to}", home, "next-night", folder, before, to, CHANGED)
        changed = _step(f"link stage of {to}, 1% changed", home, "link", folder, to)
        ratios.append(changed.told["seconds"] / first.told["seconds"])
        changed.told["ratio_to_first"] = ratios[-1]
        figures += [changed, _step(f"publish {to}", home, "publish", folder, to)]
        before = to
    _step("link the last night in full too, and compare", home, "link", folder, before, "--verify")
    told = " and ".join(f"{ratio:.3f}" for ratio in ratios)
    print(f"  a night with 1% changed / the first night, link stage: {told} (asked: at most 0.2)", flush=True)
    return figures


def unchanged_night(work: Path, people: int, _repeat: int) -> list[Figure]:
    """The extracts of a night once more on the next night: seconds, and ids that changed."""
    folder, home, figures = _staged(work, people)
    first = _afresh(folder, home, "link stage of the first night")
    figures += [first, _step("publish the first night", home, "publish", folder, NIGHT)]
    _step("make the same night once more", home, "next-night", folder, NIGHT, SECOND, 0)
    again = _step("link stage of the unchanged night", home, "link", folder, SECOND)
    published = _step("publish the unchanged night", home, "publish", folder, SECOND)
    compared = _step("compare the ids", home, "compare", folder, NIGHT, SECOND)
    print(
        f"  ids changed: {compared.told['ids_changed']} of {compared.told['records']:,} records (asked: 0);"
        f" link stage {again.told['seconds'] / first.told['seconds']:.3f} of the first night's",
        flush=True,
    )
    return [*figures, again, published, compared]


def accuracy(work: Path, _people: int, _repeat: int) -> list[Figure]:
    """A whole night of 200,000 people of a seed that no model was trained on, counted against the truth."""
    folder, home = work / "accuracy", work / "accuracy_home"
    made = synthesise(folder, ACCURACY_PEOPLE, history_months=0, seed=ACCURACY_SEED)
    figures = [made, night(f"whole night of {ACCURACY_PEOPLE:,} people", folder, home)]
    counted = measure("count against the truth", module("accuracy", home, folder / "truth"))
    told = counted.told
    print(
        f"  precision {told['precision']:.6f} (asked: 0.999), recall {told['recall']:.6f} (asked: 0.995),"
        f" mixed clusters {told['mixed_per_100000']:.1f} per 100,000 (asked: at most 30), gap in recall between ethnic"
        f" groups {100 * told['gap_by_ethnic_group']:.2f} points, between ethnic categories"
        f" {100 * told['gap_by_ethnicity']:.2f} points (asked: at most 1)",
        flush=True,
    )
    return [*figures, counted]


def floods(work: Path, _people: int, _repeat: int) -> list[Figure]:
    """100,000 records that share one value each, among an ordinary population."""
    figures = []
    for kind in ("none", "postcode", "family_name_and_birth_date", "phone", "email", "address", "nhs_number"):
        figure = measure(f"flood of 100,000: {kind}", module("floods", work / "floods", kind, 100_000))
        told = figure.told
        print(
            f"    link stage {told['seconds']:.1f} s, {told['pairs']:,} pairs, ordinary people's recall"
            f" {told['ordinary_recall']:.4f}, flooded people's {told['flooded_recall']:.4f};"
            f" left out: {told['left_out'] or 'nothing'}",
            flush=True,
        )
        figures.append(figure)
    return figures


def datasets(work: Path, _people: int, _repeat: int) -> list[Figure]:
    """Every labelled data set beside a well-set plain Splink; skipped where the data is not there."""
    from tests.benchmarks.third_party import DATASETS

    if not DATASETS.is_dir():
        print(f"  skipped: the labelled data sets are not in {DATASETS}", flush=True)
        return []
    result = work / "datasets.json"
    figure = measure("labelled data sets, both ways", module("datasets", "--json", result))
    for one in json.loads(result.read_text()):
        print(f"    {one['data']}, {one['way']}: F1 {one['f1']:.4f} ({one['found']:,} found, {one['false']:,} false)")
    return [figure]


BENCHMARKS = {
    "first_link": first_link,
    "changed_night": changed_night,
    "unchanged_night": unchanged_night,
    "accuracy": accuracy,
    "floods": floods,
    "datasets": datasets,
}
