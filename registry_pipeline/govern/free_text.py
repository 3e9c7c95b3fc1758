"""Free text of staff: names, roles, reasons and comments that stand for ever in journal, overrides and reports.

What belongs here: refusing text that holds a patient's value. What does not: text that patients' systems deliver.
"""

from __future__ import annotations

import re
from typing import Final

from registry_pipeline.errors import BadInput

PERSONAL: Final[dict[str, re.Pattern[str]]] = {
    # Ten digits together or as 3 3 4, whether or not the check digit is right: a slip of the pen names somebody too.
    "an NHS number": re.compile(
        r"(?<![\d.])(?:\d{10}|\d{3}[ .\-\u2010-\u2015]\d{3}[ .\-\u2010-\u2015]\d{4})(?![\d.]\d|\d)"
    ),
    "an e-mail address": re.compile(r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+"),
    # Capitals, or written as one word: "rule v2 3rd draft" is no postcode.
    "a postcode": re.compile(
        r"(?<![A-Za-z0-9])(?:[A-Z]{1,2}\d[A-Z\d]? ?\d[ABD-HJLNP-UW-Z]{2}"
        r"|[a-z]{1,2}\d[a-z\d]? ?\d(?!st\b|nd\b|rd\b|th\b)[abd-hjlnp-uw-z]{2})(?![A-Za-z0-9])"
    ),
    "a telephone number": re.compile(r"(?<![\w.])(?:\+44[ ()]*|0)\d(?:[ ()\-]?\d){8,9}(?!\d)"),
    "a birth date": re.compile(r"\b(?:born|birth|d\.?o\.?b\b)[^\d]{0,20}\d", re.IGNORECASE),
}
"""What no text may hold, and how it looks. Names cannot be told from other words: the commands ask for none."""


def refuse_personal(text: str, where: str) -> None:
    """Refuse text that holds a patient's value.

    Args:
        text: what somebody wrote.
        where: what it was written for, such as `--why`.

    Raises:
        BadInput: it does; the message names what sort of value, never the value.
    """
    for what, looks in PERSONAL.items():
        if looks.search(text):
            raise BadInput(
                f"{where} holds what looks like {what}, and it is kept for ever where others read it: say it without,"
                " by a patient_id if need be; nothing was changed."
            )
