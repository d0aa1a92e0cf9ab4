SELECT
    u.resource_id,
    u.tariff_id,
    u.running,
    $4::bigint AS from_at,
    NULL::bigint AS until_at,
    0 AS carry,
    now.price_micros_per_hour,
    now.storage_steps,
    c.changes_at,
    c.changes_price,
    c.changes_steps
FROM unnest($1::uuid[], $2::uuid[], $3::boolean[]) AS u (resource_id, tariff_id, running)
CROSS JOIN LATERAL usage_price_at(u.tariff_id, u.resource_id, u.running, $4) now
CROSS JOIN LATERAL (
    SELECT
        array_agg(p.begins_at ORDER BY p.begins_at) AS changes_at,
        array_agg(p.price_micros_per_hour ORDER BY p.begins_at) AS changes_price,
        array_agg(p.storage_steps ORDER BY p.begins_at) AS changes_steps
    FROM usage_changes(u.tariff_id, u.resource_id, u.running, $4) p
) c
ORDER BY u.resource_id
