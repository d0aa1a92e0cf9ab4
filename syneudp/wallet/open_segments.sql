SELECT
    s.wallet_id,
    s.resource_id,
    s.from_at,
    s.until_at,
    s.price_micros_per_hour,
    s.carry,
    s.tariff_id,
    s.running,
    s.storage_steps,
    c.changes_at,
    c.changes_price,
    c.changes_steps
FROM usage_segments s
CROSS JOIN LATERAL (
    SELECT
        array_agg(p.begins_at ORDER BY p.begins_at) AS changes_at,
        array_agg(p.price_micros_per_hour ORDER BY p.begins_at) AS changes_price,
        array_agg(p.storage_steps ORDER BY p.begins_at) AS changes_steps
    FROM usage_changes(s.tariff_id, s.resource_id, s.running, s.from_at) p
) c
WHERE s.wallet_id = ANY ($1::uuid[]) AND s.until_at IS NULL
ORDER BY s.wallet_id, s.resource_id
