"""A made-up care system with known truth, for the demo, the tests and the benchmarks.

What belongs here: people who never lived, what nine providers write down about them, and how those providers deliver
it. What does not: anything that the pipeline needs for real data, and anything that reads the truth on its behalf.

The rooms, in the order of a night: `names` (pools) and `population` (who lives where), `recording` (who is seen by
which provider, and the errors that systems make), `activity` (what happens to them), `nights` (what changes from one
night to the next), `delivery` and `fhir` (how each provider writes it), `truth`, and `replica` (a real PostgreSQL).
"""

from registry_pipeline.synthetic.system import Synthesised, synthesise

__all__ = ["Synthesised", "synthesise"]
