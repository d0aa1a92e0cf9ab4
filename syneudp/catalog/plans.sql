SELECT
    p.id,
    p.slug,
    p.engine,
    p.name,
    p.max_connections,
    p.temp_bytes,
    p.storage_limit_bytes,
    p.statement_seconds,
    p.idle_transaction_seconds,
    p.memory_bytes,
    price.price_micros_per_hour,
    price.storage_price_micros_per_gib_hour,
    price.currency
FROM plans p
JOIN LATERAL (
    SELECT v.price_micros_per_hour, v.storage_price_micros_per_gib_hour, v.currency
    FROM plan_prices v
    WHERE v.plan_id = p.id AND v.begins_at <= $1
    ORDER BY v.begins_at DESC
    LIMIT 1
) price ON true
WHERE $2::text IS NULL OR p.slug = $2
ORDER BY p.position, p.slug
