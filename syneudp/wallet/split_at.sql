WITH touched AS (
    SELECT s.resource_id, s.from_at
    FROM storage_steps t
    JOIN usage_segments s ON s.resource_id = t.resource_id AND s.until_at IS NULL
    WHERE t.shard = $1 AND t.begins_at = $2 AND s.from_at < $2
    UNION
    SELECT s.resource_id, s.from_at
    FROM tariff_versions v
    JOIN usage_segments s ON s.tariff_id = v.tariff_id AND s.shard = $1 AND s.until_at IS NULL
    WHERE v.begins_at = $2 AND s.from_at < $2
),

changed AS (
    SELECT s.resource_id, s.from_at, price.price_micros_per_hour, price.storage_steps
    FROM touched t
    JOIN usage_segments s ON s.resource_id = t.resource_id AND s.from_at = t.from_at
    CROSS JOIN LATERAL usage_price_at(s.tariff_id, s.resource_id, s.running, $2) price
    WHERE (price.price_micros_per_hour, price.storage_steps) <> (s.price_micros_per_hour, s.storage_steps)
        AND NOT EXISTS (SELECT FROM wallet_quarantines q WHERE q.wallet_id = s.wallet_id)
),

closed AS (
    UPDATE usage_segments s SET until_at = $2
    FROM changed c
    WHERE s.resource_id = c.resource_id AND s.from_at = c.from_at
    RETURNING s.resource_id, s.wallet_id, s.shard, s.tariff_id, s.running, c.storage_steps,
        c.price_micros_per_hour, mod(s.price_micros_per_hour * ($2 - s.from_at) + s.carry, 3600) AS carry
)

INSERT INTO usage_segments
    (resource_id, from_at, wallet_id, shard, tariff_id, running, storage_steps, price_micros_per_hour, carry)
SELECT resource_id, $2, wallet_id, shard, tariff_id, running, storage_steps, price_micros_per_hour, carry
FROM closed
