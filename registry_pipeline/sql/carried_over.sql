-- Person records of the provider's last accepted state that tonight's delta says nothing about. From `previous_state`
-- (that night's person_record) and `accepted` (tonight's rows, those that are left out too: a deleted record leaves).
-- Who is withheld by now (`withheld_record`) leaves, since tonight's row of it never entered.
SELECT previous_state.*
FROM previous_state
ANTI JOIN (SELECT trimmed(local_id) AS local_id FROM accepted) AS delivered_tonight USING (local_id)
ANTI JOIN withheld_record USING (record_id)
