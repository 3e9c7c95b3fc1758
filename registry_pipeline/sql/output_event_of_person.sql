-- The events of one table that a purpose may see, with what is told of their person, in the order in which they are
-- written: by pseudonym, and a person's own in an order that no other purpose's file has. Sorted before anything is made
-- of them, because what is sorted is then half as wide. Reads: kept_event, person.
SELECT
    kept_event.*,
    person.patient_pseudonym,
    person.first_day,
    person.birth_date,
    person.death_date,
    person.is_sensitive
FROM kept_event
JOIN person USING (patient_id)
ORDER BY person.patient_pseudonym, hash(person.patient_pseudonym, kept_event.event_key)
