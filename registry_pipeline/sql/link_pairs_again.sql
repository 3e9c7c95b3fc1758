-- linked_pair where only changes were linked: tonight's pairs and those carried over, labelled anew where their group was
-- clustered again. Reads: pair_tonight, label.
SELECT
    pair_tonight.* REPLACE (
        CASE WHEN label.record_id_l IS NOT NULL THEN label.decided_by ELSE pair_tonight.decided_by END AS decided_by,
        CASE WHEN label.record_id_l IS NOT NULL THEN label.outcome ELSE pair_tonight.outcome END AS outcome,
        CASE WHEN label.record_id_l IS NOT NULL THEN label.override_id ELSE pair_tonight.override_id END AS override_id
    )
FROM pair_tonight
LEFT JOIN label
    ON label.record_id_l = pair_tonight.record_id_l AND label.record_id_r = pair_tonight.record_id_r
