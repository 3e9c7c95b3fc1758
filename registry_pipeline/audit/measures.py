"""The measures of clinical audit: what each counts, of whom, where it comes from, and which way is better.

What belongs here: definitions in words and the choices that hang on them. What does not: counting (`sql/audit_*.sql`,
`cells`), intervals, charts and hiding.

Sources by short name: NHS OF is the NHS Outcomes Framework (NHS Digital); NDA the National Diabetes Audit; ESP 2013 the
European Standard Population 2013 (Eurostat, Revision of the European Standard Population, 2013). Where a choice is this
registry's own, the source says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["share", "rate", "mean", "standardised"]
"""share: people or events of those at risk; rate: events by person-time or days; mean: sum by number; standardised:
rate directly standardised by age."""

Dimension = Literal["system", "provider", "practice", "neighbourhood", "lsoa", "ethnicity", "deprivation"]

OF_PEOPLE: tuple[Dimension, ...] = ("system", "practice", "neighbourhood", "lsoa", "ethnicity", "deprivation")
OF_EVENTS: tuple[Dimension, ...] = (
    "system",
    "provider",
    "practice",
    "neighbourhood",
    "lsoa",
    "ethnicity",
    "deprivation",
)

Needs = Literal[
    "spell", "method", "diagnosis", "ready", "contact", "observation", "condition", "care_plan", "carer"
]  # fmt: skip
"""The records without which a measure cannot be counted."""


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes:
        name: as in the table.
        title: in words, short.
        definition: who and what is counted, with what is left out.
        source: where the definition comes from.
        numerator, denominator: in words.
        unit: of the value.
        per: what the value is of: 1, or 1000.
        better: the direction of improvement.
        kind: how value and interval are made.
        is_moved_by_linkage: whether a moved linkage threshold can change it.
        dimensions: what it is told by.
        needs: the records it rests on; the months before they begin are not told.
        is_state: how things stand at the period's end, so that months do not add up to a year, and successive months
            share most of what they count: such a series has no control limits.
        looks_back_months: earlier months that a month rests on. Where records begin with admissions of a day, whoever
            was in hospital by then is missing, and with them the long stays of the first month.
        follow_up_days: days after a month that must have passed before it is whole.
        only_latest: only the last month and year: what is kept of earlier ones has been overwritten.
        counts_people: the rule of small numbers applies; not to meetings.
        lowest_age: in years, of those counted, where the measure is standardised.
        sql: the file `sql/<sql>.sql` that counts it.
    """

    name: str
    title: str
    definition: str
    source: str
    numerator: str
    denominator: str
    unit: str
    per: int
    better: Literal["up", "down", "neither"]
    kind: Kind
    sql: str
    needs: tuple[Needs, ...]
    dimensions: tuple[Dimension, ...] = OF_PEOPLE
    is_moved_by_linkage: bool = True
    is_state: bool = False
    looks_back_months: int = 0
    follow_up_days: int = 0
    only_latest: bool = False
    counts_people: bool = True
    lowest_age: int = 0

    @property
    def is_standardised(self) -> bool:
        """Directly standardised by age to the European Standard Population 2013."""
        return self.kind == "standardised"


STANDARD_POPULATION: tuple[int, ...] = (
    5000, 5500, 5500, 5500, 6000, 6000, 6500, 7000, 7000, 7000, 7000, 6500, 6000, 5500, 5000, 4000, 2500, 1500, 1000,
)  # fmt: skip
"""People of the European Standard Population 2013 by five years of age, the last from 90 on (Eurostat 2013; 0 and 1 to
4, and 90 to 94 and from 95 on, taken together)."""

_OWN = "This registry's own definition"
_EMERGENCY = (
    "emergency admissions (ADMISSION METHOD 21 to 2D without 2C) of ordinary admissions (patient classification 1 or"
    " not stated); admissions that continue another hospital's stay (method 2B, or source 49 to 53 or 87) are left out"
)
_ALIVE_AT_START = "People who were alive on the month's first day"

_DIABETES = "People aged 12 and over (or of unknown age) who are alive and have diabetes recorded by the period's end"
_NDA = (
    "NDA care processes (NICE NM74); cohort as far as the registry knows it: of any practice, in any setting's records"
)

_PROCESSES: tuple[tuple[str, str, str], ...] = (
    ("hba1c", "HbA1c", "HbA1c was measured"),
    ("blood_pressure", "Blood pressure", "blood pressure was measured"),
    ("cholesterol", "Cholesterol", "serum cholesterol was measured"),
    ("creatinine", "Serum creatinine", "serum creatinine was measured"),
    ("urine_acr", "Urine albumin to creatinine ratio", "the urine albumin to creatinine ratio was measured"),
    ("foot_examination", "Foot examination", "the feet were examined"),
    ("bmi", "Body mass index", "the body mass index was recorded"),
    ("smoking_status", "Smoking status", "the smoking status was recorded"),
)
PROCESS_LISTS: tuple[str, ...] = tuple(name for name, _, _ in _PROCESSES)
"""Code lists of the eight care processes, in the order of their bits in `sql/audit_state.sql`."""


def _process(name: str, title: str, done: str) -> Measure:
    return Measure(
        name=f"diabetes_{name}",
        title=f"Diabetes: {title[0].lower() if title != 'HbA1c' else title[0]}{title[1:]} within 12 months",
        definition=f"{_DIABETES}: share of whom {done} within the 12 months up to it, by anybody.",
        source=_NDA,
        numerator=f"Of those, people of whom {done} within 12 months",
        denominator=_DIABETES,
        unit="share of people",
        per=1,
        better="up",
        kind="share",
        sql="audit_state",
        needs=("condition", "observation"),
        is_state=True,
        looks_back_months=11,
    )


MEASURES: tuple[Measure, ...] = (
    Measure(
        name="emergency_admissions_65",
        title="Emergency admissions, aged 65 and over",
        definition=f"Counted are {_EMERGENCY}. {_ALIVE_AT_START} aged 65 and over, by person-years.",
        source=f"{_OWN}, after NHS OF; standardised to the ESP 2013, ages from 65",
        numerator="Emergency admissions that began in the period",
        denominator="Person-years of people aged 65 and over",
        unit="admissions a year per 1,000 people",
        per=1000,
        better="down",
        kind="standardised",
        sql="audit_admission",
        needs=("spell", "method"),
        lowest_age=65,
    ),
    Measure(
        name="emergency_bed_days_65",
        title="Emergency bed days, aged 65 and over",
        definition=(
            "Nights in hospital within the period of ordinary emergency stays (ADMISSION METHOD 2, without 2C),"
            f" whenever they began; a stay that lasts is counted so far. {_ALIVE_AT_START} aged 65 and over, by"
            " person-years. The interval takes each stay's nights of a month as one event of that many (compound"
            " Poisson)."
        ),
        source=f"{_OWN}; the pilots' measure (Torbay). Standardised to the ESP 2013, ages from 65",
        numerator="Nights in hospital",
        denominator="Person-years of people aged 65 and over",
        unit="bed days a year per 1,000 people",
        per=1000,
        better="down",
        kind="standardised",
        sql="audit_bed_day",
        needs=("spell", "method"),
        looks_back_months=1,
        lowest_age=65,
    ),
    Measure(
        name="preventable_admissions",
        title="Emergency admissions for conditions that good community care prevents",
        definition=(
            f"Counted are {_EMERGENCY}, whose main diagnosis is in the code list ambulatory_care_sensitive. Everybody"
            " of known age, by person-years."
        ),
        source="After NHS OF 2.3.i and 3a (code list ambulatory_care_sensitive); standardised to the ESP 2013",
        numerator="Such admissions that began in the period",
        denominator="Person-years",
        unit="admissions a year per 1,000 people",
        per=1000,
        better="down",
        kind="standardised",
        sql="audit_admission",
        needs=("spell", "method", "diagnosis"),
    ),
    Measure(
        name="length_of_stay",
        title="Mean length of emergency stays",
        definition=(
            "Ordinary emergency stays with an acute provider (not in mental health care, which last much longer) that"
            " ended in the period, alive or not: nights from admission to discharge. Stays that last are not in it."
        ),
        source=_OWN,
        numerator="Nights of those stays",
        denominator="Emergency stays that ended in the period",
        unit="nights",
        per=1,
        better="down",
        kind="mean",
        sql="audit_discharge",
        needs=("spell", "method"),
        looks_back_months=1,
        dimensions=OF_EVENTS,
        is_moved_by_linkage=False,
    ),
    Measure(
        name="long_stays",
        title="Emergency stays of 21 days and more",
        definition=(
            "Of ordinary emergency stays with an acute provider that ended in the period, the share that lasted 21"
            " nights or more."
        ),
        source=f"{_OWN}; 21 days as in NHS England's reports on long stays",
        numerator="Stays of 21 nights or more",
        denominator="Emergency stays that ended in the period",
        unit="share of stays",
        per=1,
        better="down",
        kind="share",
        sql="audit_discharge",
        needs=("spell", "method"),
        looks_back_months=1,
        dimensions=OF_EVENTS,
        is_moved_by_linkage=False,
    ),
    Measure(
        name="readmission_30_days",
        title="Emergency readmission within 30 days of discharge",
        definition=(
            "Ordinary stays that ended in the period, followed by another emergency admission of the same person, to"
            " any hospital, on the day of discharge or one of the 29 days after it. Left out: people who left dead"
            " (discharge method 4 or 5) or to another hospital (destination 49 to 53, 84 or 87), day cases and regular"
            " attenders, births and maternity (admission methods 31, 32, 82, 83), and stays with cancer or chemotherapy"
            " among their diagnoses (C00 to C97, Z51.1). A readmission that continues another hospital's stay (method"
            " 2B, or source 49 to 53 or 87) is none. The stay's own hospital counts it."
        ),
        source=f"{_OWN}, after the NHS OF's emergency readmissions within 30 days (3b)",
        numerator="Stays followed by an emergency admission within 30 days",
        denominator="Stays that ended in the period",
        unit="share of discharges",
        per=1,
        better="down",
        kind="share",
        sql="audit_readmission",
        needs=("spell", "method"),
        dimensions=OF_EVENTS,
        follow_up_days=29,
    ),
    Measure(
        name="delayed_days",
        title="Days in hospital after being clinically ready to leave",
        definition=(
            "Ordinary stays that ended in the period at hospitals that say when somebody is clinically ready to leave:"
            " days from then to the discharge, by the nights of all their stays."
        ),
        source=f"{_OWN}; the clinically ready date took the place of delayed transfers of care in 2020",
        numerator="Days from clinically ready to discharge",
        denominator="Nights of stays that ended in the period",
        unit="days per 1,000 bed days",
        per=1000,
        better="down",
        kind="mean",
        sql="audit_discharge",
        needs=("spell", "ready"),
        looks_back_months=1,
        dimensions=OF_EVENTS,
        is_moved_by_linkage=False,
    ),
    Measure(
        name="first_contact_days",
        title="Days from discharge to first contact outside hospital",
        definition=(
            "Ordinary stays that ended in the period, alive and not in another hospital, of people who had an attended"
            " contact with a general practice, community, mental health or social care provider within 30 days: mean"
            " days to the first. Those without any within 30 days are not in it."
        ),
        source=_OWN,
        numerator="Days to the first contact",
        denominator="Discharges followed by a contact within 30 days",
        unit="days",
        per=1,
        better="down",
        kind="mean",
        sql="audit_first_contact",
        needs=("spell", "contact"),
        dimensions=OF_EVENTS,
        follow_up_days=30,
    ),
    Measure(
        name="mental_health_72_hours",
        title="Contact within 72 hours of discharge from mental health inpatient care",
        definition=(
            "Ordinary stays with a mental health provider that ended in the period, alive and not in another hospital:"
            " share followed by an attended contact with a mental health provider after the discharge and within 72"
            " hours (a contact without a time of day: up to the third day after)."
        ),
        source="After NHS England's 72 hour follow-up standard; details are this registry's own",
        numerator="Discharges followed by a contact within 72 hours",
        denominator="Discharges from mental health inpatient care",
        unit="share of discharges",
        per=1,
        better="up",
        kind="share",
        sql="audit_first_contact",
        needs=("spell", "contact"),
        dimensions=OF_EVENTS,
        follow_up_days=3,
    ),
    Measure(
        name="community_2_days_75",
        title="Community contact within 2 days of an emergency stay, aged 75 and over",
        definition=(
            "Ordinary emergency stays with an acute provider of people aged 75 and over that ended in the period,"
            " alive and not in another hospital: share followed by an attended contact with a community provider on"
            " the day of discharge or one of the two days after."
        ),
        source=f"{_OWN}, after the two day standard of urgent community response",
        numerator="Discharges followed by a community contact within 2 days",
        denominator="Emergency discharges of people aged 75 and over",
        unit="share of discharges",
        per=1,
        better="up",
        kind="share",
        sql="audit_first_contact",
        needs=("spell", "method", "contact"),
        dimensions=OF_EVENTS,
        follow_up_days=2,
    ),
    *(_process(*each) for each in _PROCESSES),
    Measure(
        name="diabetes_all_eight",
        title="Diabetes: all eight care processes within 12 months",
        definition=f"{_DIABETES}: share of whom all eight care processes were done within the 12 months up to it.",
        source=_NDA,
        numerator="Of those, people with all eight done within 12 months",
        denominator=_DIABETES,
        unit="share of people",
        per=1,
        better="up",
        kind="share",
        sql="audit_state",
        needs=("condition", "observation"),
        is_state=True,
        looks_back_months=11,
    ),
    Measure(
        name="copd_review",
        title="COPD: annual review within 12 months",
        definition=(
            "People who are alive and have chronic obstructive pulmonary disease recorded by the period's end: share"
            " with a review (code list copd_review) within the 12 months up to it, by anybody."
        ),
        source="After the annual review of the Quality and Outcomes Framework (COPD010)",
        numerator="Of those, people reviewed within 12 months",
        denominator="People alive with chronic obstructive pulmonary disease",
        unit="share of people",
        per=1,
        better="up",
        kind="share",
        sql="audit_state",
        needs=("condition", "observation"),
        is_state=True,
        looks_back_months=11,
    ),
    Measure(
        name="care_plan_coverage",
        title="Care plan in force, target cohort",
        definition=(
            "The pilots' target cohort: people alive at the period's end who have diabetes recorded or are aged 75"
            " and over. Share with a care plan in force then (made by then, and not ended), in any setting."
        ),
        source=f"{_OWN}; cohort of the inner north west London pilot (diabetes, or 75 and over)",
        numerator="Of those, people with a care plan in force",
        denominator="People alive with diabetes or aged 75 and over",
        unit="share of people",
        per=1,
        better="up",
        kind="share",
        sql="audit_state",
        needs=("condition", "care_plan"),
        is_state=True,
        looks_back_months=11,
    ),
    Measure(
        name="coordinator_coverage",
        title="Named care coordinator, target cohort",
        definition=(
            "The same cohort: share with a care plan in force at the period's end that names a care coordinator."
        ),
        source=f"{_OWN}; cohort of the inner north west London pilot (diabetes, or 75 and over)",
        numerator="Of those, people with a care coordinator named in a care plan in force",
        denominator="People alive with diabetes or aged 75 and over",
        unit="share of people",
        per=1,
        better="up",
        kind="share",
        sql="audit_state",
        needs=("condition", "care_plan"),
        is_state=True,
        looks_back_months=11,
    ),
    Measure(
        name="enrolment_diabetes",
        title="Enrolment: diabetes",
        definition=(
            "Enrolled is who has ever had a care plan made, in any setting, by the period's end, whether it has ended"
            " since or not. Of people alive with diabetes recorded by then."
        ),
        source=f"{_OWN}: enrolment as a care plan made, as in the pilots",
        numerator="Of those, people for whom a care plan has been made",
        denominator="People alive with diabetes",
        unit="share of people",
        per=1,
        better="up",
        kind="share",
        sql="audit_state",
        needs=("condition", "care_plan"),
        is_state=True,
        looks_back_months=11,
    ),
    Measure(
        name="enrolment_75",
        title="Enrolment: aged 75 and over",
        definition="Enrolled as above. Of people alive and aged 75 and over at the period's end.",
        source=f"{_OWN}: enrolment as a care plan made, as in the pilots",
        numerator="Of those, people for whom a care plan has been made",
        denominator="People alive aged 75 and over",
        unit="share of people",
        per=1,
        better="up",
        kind="share",
        sql="audit_state",
        needs=("care_plan",),
        is_state=True,
        looks_back_months=11,
    ),
    Measure(
        name="case_conferences",
        title="Case conferences held",
        definition=(
            "Different days on which a provider recorded that somebody was discussed in a case conference (code list"
            " case_conference), by month. A practice or neighbourhood counts those in which anybody of its own was"
            " discussed. Meetings are no people: the rule of small numbers does not hide them."
        ),
        source=_OWN,
        numerator="Case conferences",
        denominator="Months",
        unit="conferences a month",
        per=1,
        better="up",
        kind="rate",
        sql="audit_conference",
        needs=("observation",),
        dimensions=("system", "provider", "practice", "neighbourhood"),
        is_moved_by_linkage=False,
        counts_people=False,
    ),
    Measure(
        name="people_discussed",
        title="People discussed in case conferences",
        definition=(
            "People who were discussed in a case conference (code list case_conference), each once a month, of"
            " everybody alive, by person-years."
        ),
        source=_OWN,
        numerator="People discussed, counted once a month",
        denominator="Person-years",
        unit="people a year per 1,000 people",
        per=1000,
        better="up",
        kind="rate",
        sql="audit_conference",
        needs=("observation",),
    ),
    Measure(
        name="carers_assessed",
        title="Unpaid carers assessed within 12 months",
        definition=(
            "People with an unpaid carer at the period's end: share whose carer was assessed within the 12 months up"
            " to it (last assessment of the carer's record, or the code list carers_assessment). Only the last"
            " assessment is kept, so earlier periods cannot be told."
        ),
        source=f"{_OWN}; assessment under the Care Act 2014, section 10",
        numerator="Of those, people whose carer was assessed within 12 months",
        denominator="People alive with an unpaid carer",
        unit="share of people",
        per=1,
        better="up",
        kind="share",
        sql="audit_state",
        needs=("carer",),
        is_state=True,
        only_latest=True,
    ),
)
"""Every measure, in the order of the pages."""

BY_NAME: Mapping[str, Measure] = {measure.name: measure for measure in MEASURES}
