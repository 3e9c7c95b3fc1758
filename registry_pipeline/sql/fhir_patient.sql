-- FHIR R4 Patient (UK Core) to the canonical patient columns, as text; one row per line of the file.
-- Input: view delivered_line (part_row, part_line, c0 = the line; NULL where it was too long to be held).
-- `reason` names why a line is set aside; its other columns mean nothing then.
-- Sources: UK Core Patient, https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient, and FHIR R4 Patient.
-- A death known only as deceasedBoolean has no date, so it leaves no trace here.
WITH judged AS (
    SELECT
        part_row,
        part_line,
        c0 AS line,
        CASE
            WHEN c0 IS NULL THEN 'field_too_long'
            WHEN contains(c0, chr(0)) THEN 'nul_byte'
            WHEN NOT json_valid(c0) THEN 'not_json'
            WHEN json_extract_string(c0, '$.resourceType') IS DISTINCT FROM 'Patient' THEN 'not_a_patient'
        END AS reason
    FROM delivered_line
),
parsed AS (
    SELECT
        part_row,
        part_line,
        reason,
        from_json(CASE WHEN reason IS NULL THEN line END, '{
            "id": "VARCHAR", "active": "BOOLEAN", "gender": "VARCHAR", "birthDate": "VARCHAR",
            "deceasedDateTime": "VARCHAR",
            "meta": {"security": [{"code": "VARCHAR"}]},
            "identifier": [{"system": "VARCHAR", "value": "VARCHAR", "extension": [
                {"url": "VARCHAR", "valueCodeableConcept": {"coding": [{"code": "VARCHAR"}]}}]}],
            "name": [{"use": "VARCHAR", "family": "VARCHAR", "given": ["VARCHAR"], "prefix": ["VARCHAR"]}],
            "telecom": [{"system": "VARCHAR", "value": "VARCHAR", "use": "VARCHAR"}],
            "address": [{"use": "VARCHAR", "line": ["VARCHAR"], "city": "VARCHAR", "district": "VARCHAR",
                "postalCode": "VARCHAR"}],
            "generalPractitioner": [{"identifier": {"value": "VARCHAR"}}],
            "extension": [{"url": "VARCHAR", "valueCodeableConcept": {"coding": [{"code": "VARCHAR"}]}}],
            "link": [{"type": "VARCHAR", "other": {"reference": "VARCHAR", "identifier": {"value": "VARCHAR"}}}]
        }') AS p
    FROM judged
),
chosen AS (
    SELECT
        *,
        list_filter(p.identifier, lambda i: i.system = 'https://fhir.nhs.uk/Id/nhs-number')[1] AS nhs,
        list_filter(p.identifier, lambda i: i.system IS DISTINCT FROM 'https://fhir.nhs.uk/Id/nhs-number')[1] AS own,
        -- The name in use: official, else usual, else the first that is not an old, maiden or nick name.
        coalesce(
            list_filter(p.name, lambda n: n.use = 'official')[1],
            list_filter(p.name, lambda n: n.use = 'usual')[1],
            list_filter(p.name, lambda n: coalesce(n.use, '') NOT IN ('old', 'maiden', 'nickname', 'anonymous'))[1]
        ) AS name,
        list_filter(p.name, lambda n: n.use IN ('old', 'maiden'))[1] AS old_name,
        coalesce(
            list_filter(p.address, lambda a: a.use = 'home')[1],
            list_filter(p.address, lambda a: coalesce(a.use, '') NOT IN ('old', 'work', 'billing'))[1]
        ) AS address,
        list_filter(p.link, lambda l: l.type = 'replaced-by')[1].other AS replaced_by,
        list_transform(p.meta.security, lambda s: s.code) AS security
    FROM parsed
)
SELECT
    part_row,
    part_line,
    reason,
    coalesce(own.value, p.id) AS local_id,
    nhs.value AS nhs_number,
    list_filter(nhs.extension, lambda e: e.url LIKE '%NHSNumberVerificationStatus%')[1]
        .valueCodeableConcept.coding[1].code AS nhs_number_status,
    array_to_string(name.prefix, ' ') AS title,
    name.given[1] AS given_name,
    array_to_string(name.given[2:], ' ') AS middle_names,
    name.family AS family_name,
    old_name.family AS previous_family_name,
    p.birthDate AS birth_date,
    p.deceasedDateTime AS death_date,
    p.gender AS sex,
    list_filter(p.extension, lambda e: e.url LIKE '%Extension-UKCore-EthnicCategory')[1]
        .valueCodeableConcept.coding[1].code AS ethnicity,
    concat_ws(', ', nullif(array_to_string(address.line, ', '), ''), nullif(address.city, ''),
        nullif(address.district, '')) AS address,
    address.postalCode AS postcode,
    coalesce(
        list_filter(p.telecom, lambda t: t.system = 'phone' AND t.use = 'mobile')[1],
        list_filter(p.telecom, lambda t: t.system = 'phone' AND coalesce(t.use, '') != 'old')[1]
    ).value AS phone,
    list_filter(p.telecom, lambda t: t.system = 'email' AND coalesce(t.use, '') != 'old')[1].value AS email,
    p.generalPractitioner[1].identifier.value AS gp_practice,
    CASE WHEN list_has_any(security, ['R', 'V']) THEN 'true' END AS sensitive,
    -- UK Core Patient has no place for a withheld identity reason.
    NULL::VARCHAR AS withheld_identity_reason,
    CASE WHEN list_contains(security, 'HTEST') THEN 'true' END AS test_patient,
    -- An inactive record that another one replaced is a merge: it must stay to be followed.
    CASE WHEN NOT p.active AND replaced_by IS NULL THEN 'true' END AS deleted,
    coalesce(replaced_by.identifier.value, nullif(regexp_replace(replaced_by.reference, '^.*/', ''), '')) AS merged_into
FROM chosen
