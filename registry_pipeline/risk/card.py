"""The card of a fitted risk model: what it is for, what it learned from, how good it is and for whom it is not.

What belongs here: laying out figures as Markdown and as tables. What does not: counting them (`evaluate`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

Cells = list[list[str]]

SPLITS: Final[Mapping[str, str]] = {
    "later_year": "Learned from an index day whose outcome was known before the test's index day; tested on everybody,"
    " a year later.",
    "other_people": "The history is shorter than three years, so the outcomes of training and test overlap in time:"
    " tested on a later index day and on other people (parted by a digest of their id), so that both share neither a"
    " person nor an index day.",
}

TITLES: Final[Mapping[str, str]] = {
    "ethnicity": "By ethnic group",
    "ethnic_category": "By ethnic category (2001)",
    "deprivation_fifth": "By deprivation fifth (1 the most deprived)",
    "age_band": "By age",
    "sex": "By sex",
}


ABOUT: Final = (
    "The probability of an emergency admission (ADMISSION METHOD that begins with 2, but 2C; to any hospital, mental"
    " health included) within 12 months, for everybody alive in the registry.\n\n"
    "**For** ranking people for proactive care, by teams that know them. **Not for** refusing care, for setting"
    " payments, or for a person without looking at the record. What raises the probability goes with admissions and"
    " need not cause them, so changing it need not prevent one. Fitted on one care system: another one fits its own."
)

NOT_KNOWN: Final = (
    "Not known of a past day: when a condition was written down (it counts from its onset), which home and sex were"
    " recorded then, who has left the registry since, and what was deleted or mended since. Who died within the 12"
    " months without an emergency admission counts as without one."
)

HOW_SHOWN: Final = (
    "Counts of people from 1 to 7 are hidden (*), and others where they would tell them; the rest is rounded to 5. A"
    " group with fewer than 8 people admitted, or not, has no figures, and of fewer than 20 people no share is told."
    " Shares are made of the rounded counts: of 20 people they may be off by 18 percentage points, of 100 by 4."
    " Tops of the list are those of the whole list. Within an age band the area is smaller for every model, since age"
    " tells most."
)

HOW_MADE: Final = (
    "The log odds are a sum over columns; counts enter as log(1 + count), age as straight lines between knots. The sum"
    " is calibrated on people who were held out, by a line that may bend near the top and never falls. Odds ratios are"
    " for one standard deviation of a column, before the first bend."
)


def percent(value: Any, decimals: int = 1) -> str:
    """A share in words; what is hidden stays hidden, what is not there is a dash."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.{decimals}%}"


def _estimate(value: Any, decimals: int = 3) -> str:
    if value is None or isinstance(value, str):
        return value or "-"
    return f"{value['value']:.{decimals}f} ({value['low']:.{decimals}f} to {value['high']:.{decimals}f})"


def _count(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:,}"


def overall_rows(figures: Mapping[str, Any]) -> Cells:
    """Figure and value, over all tested people."""
    return [
        ["people tested on", _count(figures["people"])],
        ["of them with an emergency admission within 12 months", _count(figures["emergency_admissions"])],
        ["area under the curve (95% interval)", _estimate(figures["auc"])],
        ["calibration slope (1 is right)", _estimate(figures["calibration_slope"])],
        ["calibration intercept, beside that slope (0 is right)", _estimate(figures["calibration_intercept"])],
        ["observed by expected (1 is right)", _estimate(figures["observed_by_expected"], 2)],
        ["Brier score", f"{figures['brier']:.4f}"],
        ["Brier score, better than the mean by", percent(figures["brier_skill"])],
    ]


TOP_COLUMNS: Final = ("top of the list", "people", "probability from", "expected", "PPV", "sensitivity")


def top_rows(figures: Mapping[str, Any]) -> Cells:
    """What acting on the top of the list would find."""
    return [
        [
            percent(each["share"]),
            _count(each["people"]),
            percent(each["least_probability"]),
            percent(each["expected"]),
            percent(each["ppv"]),
            percent(each["sensitivity"]),
        ]
        for each in figures["top"]
    ]


RELIABILITY_COLUMNS: Final = ("tenth of the people by probability", "people", "expected", "observed")


def reliability_rows(figures: Mapping[str, Any]) -> Cells:
    """Expected and observed by tenths."""
    return [
        [str(each["tenth"]), _count(each["people"]), percent(each["expected"]), percent(each["observed"])]
        for each in figures["reliability"]
    ]


GROUP_COLUMNS: Final = (
    "group", "people", "admissions", "area (95% interval)", "observed by expected", "PPV top 5%", "sensitivity top 5%",
    "PPV top 0.5, 1, 20%", "sensitivity top 0.5, 1, 20%",
)  # fmt: skip


def group_rows(groups: Sequence[Mapping[str, Any]]) -> Cells:
    """Figures of each group of a dimension."""
    rows = []
    for each in groups:
        tops = each["top"]
        shown = [] if isinstance(tops, str) else [(top["share"], top["ppv"], top["sensitivity"]) for top in tops]
        of_five = next((top for top in shown if top[0] == 0.05), (0.05, tops, tops))
        others = [top for top in shown if top[0] != 0.05]
        rows.append(
            [
                each["group"],
                _count(each["people"]),
                _count(each["emergency_admissions"]),
                _estimate(each["auc"]),
                _estimate(each["observed_by_expected"], 2),
                percent(of_five[1]),
                percent(of_five[2]),
                ", ".join(percent(top[1]) for top in others) or "*",
                ", ".join(percent(top[2]) for top in others) or "*",
            ]
        )
    return rows


WEIGHT_COLUMNS: Final = ("feature", "unit", "looks back", "columns", "odds ratio for one deviation")


def weight_rows(content: Mapping[str, Any]) -> Cells:
    """Every feature with what its columns do to the odds, as the file holds them."""
    import math

    rows = []
    for feature in content["features"]:
        columns = [column for column in content["columns"] if column["feature"] == feature["name"]]
        ratios = [math.exp(column["coefficient"] * content["calibration"]["slope"]) for column in columns]
        days = feature["window_days"]
        rows.append(
            [
                f"{feature['name']} ({feature['words']})",
                feature["unit"],
                f"{days} days" if days else "state of the day",
                ", ".join(column["name"] for column in columns),
                ", ".join(f"{ratio:.3f}" for ratio in ratios),
            ]
        )
    return rows


def _table(columns: Sequence[str], rows: Cells) -> list[str]:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}", *(f"| {' | '.join(row)} |" for row in cells), ""]


def write_card(content: Mapping[str, Any]) -> str:
    """The card of a model, in Markdown.

    Args:
        content: what the model's file holds (`model.content`).
    """
    training, figures = content["training"], content["evaluation"]
    flags = figures["worse_served"]
    lines = [
        f"# Risk model {content['version']}",
        "",
        ABOUT,
        "",
        "## What it learned from",
        "",
        SPLITS[training["split"]],
        "",
        *_table(
            ("fact", "value"),
            [
                ["deployment", training["deployment"]],
                ["snapshot, night", f"{training['snapshot']}, {training['night']}"],
                ["read for the purpose", training["purpose"]],
                ["history without a gap since", training["history_starts"]],
                ["training index day", training["train_index"]],
                ["test index day", training["test_index"]],
                ["longest window", f"{content['longest_window_days']} days"],
                ["people learned from", _count(training["people_learned_from"])],
                ["people calibrated on", _count(training["people_calibrated_on"])],
                ["emergency admissions learned from", _count(training["emergency_admissions_learned_from"])],
                ["penalty (scikit-learn's C)", str(training["penalty"])],
                ["kinds of records", ", ".join(training["inputs"])],
                [
                    "code lists",
                    "; ".join(f"{name} {each['version']}" for name, each in training["code_lists"].items()),
                ],
                ["software", ", ".join(f"{name} {version}" for name, version in training["software"].items())],
            ],
        ),
        NOT_KNOWN,
        "",
        "## How good it is, on what it did not learn from",
        "",
        *_table(("figure", "value"), overall_rows(figures)),
        *_table(TOP_COLUMNS, top_rows(figures)),
        *_table(RELIABILITY_COLUMNS, reliability_rows(figures)),
        "## For whom",
        "",
        HOW_SHOWN,
        "",
        "Clearly worse served: " + ("; ".join(flags) if flags else "no group that can be shown") + ".",
        "",
    ]
    for dimension, title in TITLES.items():
        lines += [f"### {title}", "", *_table(GROUP_COLUMNS, group_rows(figures["groups"][dimension]))]
    lines += [
        "## What it looks at",
        "",
        HOW_MADE,
        "",
        *_table(WEIGHT_COLUMNS, weight_rows(content)),
    ]
    return "\n".join(lines)
