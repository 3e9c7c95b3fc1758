-- Person records of the provider's last accepted state whose identity is withheld by now. From `previous_state`.
-- Parameters: $left, keyed digests of record keys withheld; $inner and $outer, the key as HMAC's pads.
SELECT record_id
FROM previous_state
WHERE sha256($outer || unhex(sha256($inner || encode('record:' || record_id)))) IN (SELECT unnest($left::VARCHAR[]))
