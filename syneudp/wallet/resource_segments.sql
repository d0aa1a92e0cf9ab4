SELECT
    s.resource_id,
    s.from_at,
    s.until_at,
    s.price_micros_per_hour,
    s.carry,
    s.tariff_id,
    s.running,
    s.storage_steps,
    coalesce(q.hour, h.closed_through) AS posted_through,
    d.depletes_at,
    c.changes_at,
    c.changes_price,
    c.changes_steps
FROM usage_segments s
JOIN shards h ON h.shard = s.shard
LEFT JOIN wallet_quarantines q ON q.wallet_id = s.wallet_id
LEFT JOIN wallet_depletions d ON d.wallet_id = s.wallet_id
LEFT JOIN LATERAL (
    SELECT
        array_agg(p.begins_at ORDER BY p.begins_at) AS changes_at,
        array_agg(p.price_micros_per_hour ORDER BY p.begins_at) AS changes_price,
        array_agg(p.storage_steps ORDER BY p.begins_at) AS changes_steps
    FROM usage_changes(s.tariff_id, s.resource_id, s.running, s.from_at) p
) c ON s.until_at IS NULL
WHERE s.resource_id = $1 AND s.from_at < $3 AND (s.until_at IS NULL OR s.until_at > $2)
ORDER BY s.from_at
