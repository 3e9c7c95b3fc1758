-- Who is discussed, and in which order: of each team's people with a reason the ones with most points, as many as its
-- meetings have room for. Parameters: $capacity, $meetings.
SELECT *, ((rank - 1) // $capacity::BIGINT) + 1 AS meeting
FROM (
    SELECT *, row_number() OVER (PARTITION BY neighbourhood ORDER BY points DESC, patient_id) AS rank
    FROM conference_scored
    WHERE neighbourhood IS NOT NULL AND has_reason AND (has_new_reason OR NOT was_discussed)
)
WHERE rank <= $capacity::BIGINT * $meetings::BIGINT
