SELECT
    v.plan_id,
    p.slug,
    v.begins_at,
    v.currency,
    v.price_micros_per_hour,
    v.storage_price_micros_per_gib_hour
FROM plan_prices v
JOIN plans p ON p.id = v.plan_id
WHERE v.begins_at > $1
ORDER BY v.plan_id, v.begins_at
