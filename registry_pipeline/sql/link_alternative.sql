-- Records that would be somebody else's at a moved threshold. Each group that was made anew goes on as the person who has
-- most records in it, if it has most of that person's records too; any other group gets an id that stands for nobody.
-- Reads: moved_record (id, record_id), clustered (id, cluster), published (record_id, patient_id). Parameter: $move.
WITH placed AS (
    SELECT record_id, patient_id, cluster
    FROM clustered
    INNER JOIN moved_record USING (id)
    INNER JOIN published USING (record_id)
),
part AS (
    SELECT cluster, patient_id, count(*) AS records, min(record_id) AS first_record FROM placed GROUP BY ALL
),
main_part AS (
    SELECT cluster, patient_id, records, first_record FROM part
    QUALIFY row_number() OVER (PARTITION BY patient_id ORDER BY records DESC, first_record) = 1
),
goes_on_as AS (
    SELECT cluster, patient_id FROM main_part
    QUALIFY row_number() OVER (PARTITION BY cluster ORDER BY records DESC, first_record) = 1
),
named AS (
    SELECT
        cluster,
        coalesce(any_value(goes_on_as.patient_id), md5(concat($move, ' ', min(record_id)))::UUID) AS alternative_patient_id
    FROM placed
    LEFT JOIN goes_on_as USING (cluster)
    GROUP BY cluster
)
SELECT record_id, $move AS threshold_move, placed.patient_id, alternative_patient_id
FROM placed
INNER JOIN named USING (cluster)
WHERE alternative_patient_id <> placed.patient_id
