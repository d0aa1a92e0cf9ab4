WITH priced AS (
    SELECT s.*, coalesce(s.until_at, coalesce(q.hour, h.closed_through) * 3600) AS posted_at
    FROM usage_segments s
    JOIN shards h ON h.shard = s.shard
    LEFT JOIN wallet_quarantines q ON q.wallet_id = s.wallet_id
)

SELECT 'segment_has_the_price_of_its_tariff' AS rule, format('%s from %s', s.resource_id, s.from_at) AS row,
    format('%s an hour for %s steps, %s for %s by its tariff', s.price_micros_per_hour, s.storage_steps,
        price.price_micros_per_hour, price.storage_steps) AS detail
FROM usage_segments s
LEFT JOIN LATERAL usage_price_at(s.tariff_id, s.resource_id, s.running, s.from_at) price ON true
WHERE (price.price_micros_per_hour, price.storage_steps) IS DISTINCT FROM (s.price_micros_per_hour, s.storage_steps)
UNION ALL
SELECT 'no_segment_spans_a_change_of_price', format('%s from %s', p.resource_id, p.from_at),
    format('its price changed at %s', min(c.begins_at))
FROM priced p
CROSS JOIN LATERAL usage_changes(p.tariff_id, p.resource_id, p.running, p.from_at) c
WHERE (c.begins_at < p.posted_at OR (p.until_at IS NULL AND c.begins_at = p.posted_at))
    AND (c.price_micros_per_hour, c.storage_steps) <> (p.price_micros_per_hour, p.storage_steps)
GROUP BY p.resource_id, p.from_at
UNION ALL
SELECT 'tariff_versions_are_whole', format('%s from %s', v.tariff_id, v.begins_at),
    'its wallets wait to be looked at in an hour that is closed'
FROM tariff_versions v
JOIN tariff_reckonings r ON r.tariff_id = v.tariff_id AND r.begins_at = v.begins_at
JOIN shards h ON h.shard = r.shard
WHERE r.begins_at < h.closed_through * 3600
