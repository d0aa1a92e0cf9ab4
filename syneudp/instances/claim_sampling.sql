INSERT INTO usage_samplings AS kept (host_id, claimed_at)
VALUES ($1, $2)
ON CONFLICT (host_id) DO UPDATE SET claimed_at = excluded.claimed_at
WHERE kept.claimed_at / 60 < excluded.claimed_at / 60
    OR (
        kept.claimed_at <= excluded.claimed_at - $3
        AND EXISTS (
            SELECT FROM instances AS i
            WHERE i.host_id = excluded.host_id AND NOT i.storage_measured AND i.terminated_for IS NULL
                AND i.ready_at > excluded.claimed_at - $4
        )
    )
RETURNING true
