"""Which person records belong to one person: pairs, then clusters, for one night.

What belongs here: the stage's entry points, for the other rooms to call. Inside, in the order of the work: `records`
(what linkage looks at), `frozen` (what is counted once per model version), `block` (pairs worth comparing), `match`
(scores and judgements), `cluster` and `regroup` (groups of one person), `overrides` (what people decided), `state` and
`nights` (a night in full, or its changes only), `identity` and `undo` (ids that last). `model`, `train`, `calibrate`
and `admission` make and let in the numbers; `evaluate` and `estimate` measure. What does not: which nights' data count
(`outcomes` says so).
"""

from __future__ import annotations

from registry_pipeline.link.evaluate import Evaluation, evaluate
from registry_pipeline.link.model import choose_model
from registry_pipeline.link.nights import Linked, link_beside, link_night
from registry_pipeline.link.train import Trained, train

__all__ = ["Evaluation", "Linked", "Trained", "choose_model", "evaluate", "link_beside", "link_night", "train"]
