"""`registry evaluate`: how well a night is linked, against a truth, by estimates, or by a review.

What belongs here: the command's arguments, and which figures a person sees first. What does not: counting
(`link.evaluate`, `link.estimate` do it); everything that is counted stands in the file of `--json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry_pipeline.cli import DEFAULT_CONFIG, ConfigFolder, _night, _say, _show, _table, app
from registry_pipeline.config import Configuration, load_configuration
from registry_pipeline.errors import BadInput
from registry_pipeline.storage import Home

if TYPE_CHECKING:
    from registry_pipeline.link.evaluate import Evaluation, Group
    from registry_pipeline.link.intervals import Measured

GROUPS_SHOWN = 20
"""Groups on the terminal, the worst recall first; all of them stand in the JSON file."""

LOSSES_SHOWN = 8

NAMES = {
    "precision": "precision (pairs)",
    "recall": "recall (pairs)",
    "f1": "F1 (pairs)",
    "bcubed_precision": "precision (B-cubed)",
    "bcubed_recall": "recall (B-cubed)",
    "bcubed_f1": "F1 (B-cubed)",
    "mixed_clusters_per_100000": "clusters that mix people, per 100,000 clusters",
    "split_people_per_100000": "people split over clusters, per 100,000 people",
    "blocking_recall": "blocking recall",
}


@app.command()
def evaluate(
    night: Annotated[
        str | None, typer.Option("--night", help="The night, as YYYY-MM-DD; without it the last that is linked.")
    ] = None,
    config: ConfigFolder = DEFAULT_CONFIG,
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth",
            help="Parquet or CSV with provider, local_id and person_id, or labelled pairs with record_id_l, record_id_r"
            " and is_match. Without it the figures are estimates.",
        ),
    ] = None,
    people: Annotated[
        Path | None,
        typer.Option(
            "--people",
            help="Parquet or CSV with person_id and any of sex, birth_date, ethnicity, deprivation_decile; without it"
            " person.parquet beside the truth, if there is one.",
        ),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything to this file.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Write curves (CSV, HTML) or the review sample to this folder.")
    ] = None,
    review_sample: Annotated[
        int | None, typer.Option("--review-sample", min=1, help="Write so many pairs for review to --folder.")
    ] = None,
    review: Annotated[
        list[Path] | None,
        typer.Option("--review", help="A review sample that came back, is_match filled in; repeat it for reviewers."),
    ] = None,
) -> None:
    """How well a night is linked: against a truth or labels; without one, estimates; or by a review sample."""
    from registry_pipeline.link import estimate
    from registry_pipeline.link import evaluate as against_truth

    ways = [
        name for name, given in (("--truth", truth), ("--review-sample", review_sample), ("--review", review)) if given
    ]
    if len(ways) > 1:
        raise BadInput(f"Give one of {' and '.join(ways)}: each is another way to evaluate.")
    if people is not None and truth is None:
        raise BadInput("--people says whose records those of --truth are: give --truth too.")
    configuration = load_configuration(config)
    on = _night(night) if night is not None else estimate.last_linked_night(configuration)
    if review_sample is not None:
        _write_sample(configuration, on, review_sample, folder, json_file)
    elif review:
        reviewed = estimate.from_review(configuration, on, review)
        kept = estimate.keep_review(Home(configuration.home), reviewed)
        _write_down(
            configuration,
            {"night": on.isoformat(), "taken_back": reviewed.judged, "reviewers": reviewed.reviewers},
            inputs=review,
            outputs=[kept],
        )
        _show_estimate(reviewed, json_file)
    elif truth is not None:
        _show_evaluation(against_truth(configuration, on, truth, people=people), truth, json_file, folder)
    else:
        _show_estimate(estimate.from_hidden_numbers(configuration, on), json_file)


def _write_sample(
    configuration: Configuration, on: date, size: int, folder: Path | None, json_file: Path | None
) -> None:
    from registry_pipeline.link import estimate

    if folder is None:
        raise BadInput("--review-sample needs --folder: where the sample is to be written.")
    sample = estimate.write_review_sample(configuration, on, size, folder)
    _write_down(configuration, {"night": on.isoformat(), "written": sample.pairs}, outputs=[sample.path])
    _keep(json_file, sample.as_json())
    _say(
        f"Wrote {sample.pairs:,} of {sample.kept_pairs:,} kept pairs to {sample.path}: fill in is_match (true or"
        " false), leave every other column as it is, and give it back with --review."
    )
    if sample.left_out:
        _say(f"{sample.left_out:,} pairs were not drawn from: one of their people is, or may be, flagged sensitive.")


def _write_down(
    configuration: Configuration, what: Mapping[str, Any], *, inputs: Sequence[Path] = (), outputs: Sequence[Path] = ()
) -> None:
    """A review in the journal: by whose account, of how many pairs, which files."""
    from registry_pipeline.govern import journal
    from registry_pipeline.storage import file_digest

    journal.record(
        Home(configuration.home),
        "review",
        what=what,
        # Reviewers send files of the same name.
        inputs={f"{number}: {file.name}": file_digest(file) for number, file in enumerate(inputs, 1)},
        outputs={file.name: file_digest(file) for file in outputs},
    )


def _show_estimate(found: Any, json_file: Path | None) -> None:
    _keep(json_file, found.as_json())
    _say(found.headline)
    for title, columns, rows in found.tables(GROUPS_SHOWN):
        table = _table(title, *columns)
        for row in rows:
            table.add_row(*row)
        _show(table)
    for reason in found.reasons:
        _say(f"* {reason}")


def _show_evaluation(found: Evaluation, truth: Path, json_file: Path | None, folder: Path | None) -> None:
    _keep(json_file, found.as_json())
    _show_headline(found, truth)
    _show_groups(found)
    _show_losses("Where true pairs were lost", found.missed, found.missed_pairs)
    _show_losses("What made false pairs", found.false, found.false_pairs)
    for note in found.notes:
        _say(note)
    if folder is not None:
        from registry_pipeline.link.evaluation_chart import write_figures

        for path in write_figures(found, folder):
            _say(f"Wrote {path}")


def _keep(json_file: Path | None, content: Mapping[str, Any]) -> None:
    if json_file is not None:
        from registry_pipeline.storage import write_json

        write_json(json_file, content)


def _show_headline(found: Evaluation, truth: Path) -> None:
    table = _table(
        f"Linkage of {found.night} by model {found.model_version}, against {truth.name}",
        "figure",
        "value",
        "95% interval",
    )
    for name, shown in NAMES.items():
        measured = found.measures.get(name)
        if measured is not None:
            table.add_row(shown, *_shown(name, measured))
    for name, point in found.thresholds.items():
        figures = f"{point.precision:.4%} / {point.recall:.4%}"
        table.add_row(f"precision / recall of pairs by score alone, {name} ({point.weight:g})", figures, "")
    table.add_row("true pairs / missed", f"{found.true_pairs:,} / {found.missed_pairs:,}", "")
    table.add_row("joined pairs / false", f"{found.joined_pairs:,} / {found.false_pairs:,}", "")
    for by, gap in found.gaps.items():
        if gap is None:
            table.add_row(f"largest gap in recall by {_plain(by)}", "not known", "")
            continue
        worst_best = f"{gap.worst} to {gap.best}"
        low, high, by_chance = (100 * x for x in (gap.difference.low, gap.difference.high, gap.by_chance))
        interval = f"{low:.2f} to {high:.2f}; up to {by_chance:.2f} by chance"
        table.add_row(
            f"largest gap in recall by {_plain(by)} ({worst_best})",
            f"{100 * gap.difference.value:.2f} points",
            interval,
        )
    error = found.calibration_error
    if error is not None:
        table.add_row("expected calibration error of the probability", f"{error:.4f}", "")
    _show(table)


def _show_groups(found: Evaluation) -> None:
    table = _table(
        "By group, the lowest recall first", "group", "records", "true pairs", "recall", "95% interval", "precision",
        "blocking recall", "mixed", "split",
    )  # fmt: skip
    order = worst_first(found.groups)
    for group in order[:GROUPS_SHOWN]:
        measures = group.measures
        recall = measures["recall"]
        shown = _shown("recall", recall) if recall else ("none", "")
        table.add_row(
            f"{_plain(group.by)}: {group.name}",
            f"{group.records:,}" if group.records else "",
            f"{group.true_pairs:,.1f}".removesuffix(".0"),
            *shown,
            *(_value(name, measures.get(name)) for name in (
                "precision", "blocking_recall", "mixed_clusters_per_100000", "split_people_per_100000"
            )),
        )  # fmt: skip
    _show(table)
    if len(order) > GROUPS_SHOWN:
        _say(f"{len(order) - GROUPS_SHOWN} more groups, with B-cubed figures and every interval: --json FILE.")


def worst_first(groups: Sequence[Group]) -> list[Group]:
    """Groups with true pairs, the lowest recall first; those too small to say much (fewer than 50 pairs) last."""
    known = [g for g in groups if g.measures.get("recall") is not None]

    def order(group: Group) -> tuple[bool, float, str, str]:
        recall = group.measures["recall"]
        return group.true_pairs < 50, recall.value if recall else 1.0, group.by, group.name

    return sorted(known, key=order)


def _show_losses(title: str, counts: Mapping[str, int], total: int) -> None:
    if not counts:
        return
    table = _table(title, "how", "pairs", "share")
    for how, pairs in list(counts.items())[:LOSSES_SHOWN]:
        table.add_row(how, f"{pairs:,}", f"{pairs / total:.1%}")
    left = list(counts.values())[LOSSES_SHOWN:]
    if left:
        table.add_row(f"{len(left)} more ways", f"{sum(left):,}", f"{sum(left) / total:.1%}")
    _show(table)


def _shown(name: str, measured: Measured) -> tuple[str, str]:
    if name.endswith("per_100000"):
        return f"{measured.value:,.1f}", f"{measured.low:,.1f} to {measured.high:,.1f}"
    return f"{measured.value:.4%}", f"{measured.low:.4%} to {measured.high:.4%}"


def _value(name: str, measured: Measured | None) -> str:
    return _shown(name, measured)[0] if measured else ""


def _plain(name: str) -> str:
    return {
        "nhs_number": "NHS number",
        "nhs_numbers": "NHS numbers of the pair",
        "settings": "settings of the pair",
    }.get(name, name.replace("_", " "))
