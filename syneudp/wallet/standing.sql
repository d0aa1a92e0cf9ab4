SELECT
    w.id AS wallet_id,
    w.currency,
    a.balance_micros,
    coalesce(-owing.balance_micros, 0)::bigint AS debt_micros,
    coalesce(q.hour, h.closed_through) AS posted_through,
    d.depletes_at,
    d.why,
    cap.monthly_micros AS cap_micros,
    cap.set_at AS cap_set_at,
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
FROM (
    SELECT unnest($1::uuid[]) AS id
    UNION
    SELECT o.wallet_id FROM usage_segments o WHERE o.resource_id = ANY ($2::uuid[]) AND o.until_at IS NULL
) wanted
JOIN wallets w ON w.id = wanted.id
JOIN accounts a ON a.id = w.account_id
JOIN shards h ON h.shard = w.shard
LEFT JOIN wallet_quarantines q ON q.wallet_id = w.id
LEFT JOIN wallet_depletions d ON d.wallet_id = w.id
LEFT JOIN wallet_debts b ON b.wallet_id = w.id
LEFT JOIN accounts owing ON owing.id = b.account_id
LEFT JOIN LATERAL (
    SELECT k.monthly_micros, k.set_at FROM wallet_caps k WHERE k.wallet_id = w.id ORDER BY k.number DESC LIMIT 1
) cap ON true
LEFT JOIN usage_segments s ON s.wallet_id = w.id AND s.until_at IS NULL
LEFT JOIN LATERAL (
    SELECT
        array_agg(p.begins_at ORDER BY p.begins_at) AS changes_at,
        array_agg(p.price_micros_per_hour ORDER BY p.begins_at) AS changes_price,
        array_agg(p.storage_steps ORDER BY p.begins_at) AS changes_steps
    FROM usage_changes(s.tariff_id, s.resource_id, s.running, s.from_at) p
) c ON s.resource_id IS NOT NULL
ORDER BY w.id, s.resource_id
