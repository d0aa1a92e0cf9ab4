WITH priced AS (
    SELECT
        s.*,
        coalesce(s.until_at, greatest(s.from_at, coalesce(q.hour, h.closed_through) * 3600)) AS posted_at,
        lag(s.resource_id) OVER resource_order AS previous,
        lag(s.until_at) OVER resource_order AS previous_until_at,
        lag(s.wallet_id) OVER resource_order AS previous_wallet_id,
        lag(mod(s.price_micros_per_hour * (s.until_at - s.from_at) + s.carry, 3600)) OVER resource_order AS carry_expected
    FROM usage_segments s
    JOIN shards h ON h.shard = s.shard
    LEFT JOIN wallet_quarantines q ON q.wallet_id = s.wallet_id
    WINDOW resource_order AS (PARTITION BY s.resource_id ORDER BY s.from_at)
), told AS (
    SELECT p.wallet_id,
        sum((p.price_micros_per_hour * (p.posted_at - p.from_at) + p.carry) / 3600 - p.carry / 3600) AS charge_micros
    FROM priced p
    GROUP BY p.wallet_id
), posted AS (
    SELECT w.id AS wallet_id, -coalesce(u.amount_micros, 0) - coalesce(b.usage_micros, 0) AS charge_micros
    FROM wallets w
    LEFT JOIN (
        SELECT e.account_id, sum(e.amount_micros) AS amount_micros
        FROM entries e
        JOIN transfers t ON t.id = e.transfer_id AND t.reason IN ('usage_hour', 'usage_rest', 'usage_depleted', 'usage_capped')
        GROUP BY e.account_id
    ) u ON u.account_id = w.account_id
    LEFT JOIN cut_bases b ON b.account_id = w.account_id
)
SELECT 'usage_posted_is_the_closed_form' AS rule, w.id::text AS row,
    format('%s posted, %s by its segments', coalesce(p.charge_micros, 0), coalesce(t.charge_micros, 0)) AS detail
FROM wallets w
LEFT JOIN told t ON t.wallet_id = w.id
LEFT JOIN posted p ON p.wallet_id = w.id
WHERE coalesce(p.charge_micros, 0) <> coalesce(t.charge_micros, 0)
UNION ALL
SELECT 'segments_touch_without_overlap', format('%s from %s', p.resource_id, p.from_at),
    format('the one before ends at %s', coalesce(p.previous_until_at::text, 'no time'))
FROM priced p
WHERE p.previous IS NOT NULL
    AND (p.previous_until_at IS NULL OR p.previous_until_at > p.from_at OR p.previous_wallet_id <> p.wallet_id)
UNION ALL
SELECT 'segment_carries_the_rest', format('%s from %s', p.resource_id, p.from_at),
    format('carry %s, %s expected', p.carry, coalesce(p.carry_expected, 0))
FROM priced p
WHERE p.carry <> coalesce(p.carry_expected, 0)
UNION ALL
SELECT 'nothing_charged_past_depletion', format('%s from %s', p.resource_id, p.from_at),
    format('ran past %s, when the money of %s ended', t.effective_at, w.id)
FROM transfers t
JOIN entries e ON e.transfer_id = t.id AND e.created_at = t.created_at
JOIN wallets w ON w.account_id = e.account_id
JOIN priced p ON p.wallet_id = w.id
WHERE t.reason = 'usage_depleted' AND p.from_at < t.effective_at
    AND (p.until_at IS NULL OR p.until_at > t.effective_at)
UNION ALL
SELECT 'no_paid_second_was_cut', w.id::text,
    format('%s left when its money was said to end at %s', e.balance_after_micros, t.effective_at)
FROM transfers t
JOIN entries e ON e.transfer_id = t.id AND e.created_at = t.created_at
JOIN wallets w ON w.account_id = e.account_id
JOIN usage_segments s ON s.shard = w.shard AND s.wallet_id = w.id AND s.until_at = t.effective_at
CROSS JOIN LATERAL usage_price_at(s.tariff_id, s.resource_id, s.running, s.until_at) next_second
WHERE t.reason = 'usage_depleted'
GROUP BY w.id, e.balance_after_micros, t.effective_at
HAVING e.balance_after_micros >= sum(
    (s.price_micros_per_hour * (s.until_at - s.from_at) + s.carry + next_second.price_micros_per_hour) / 3600
    - (s.price_micros_per_hour * (s.until_at - s.from_at) + s.carry) / 3600
)
UNION ALL
SELECT 'no_hour_closed_past_depletion', d.wallet_id::text,
    format('money ends at %s, shard %s is closed through %s', d.depletes_at, h.shard, h.closed_through * 3600)
FROM wallet_depletions d
JOIN shards h ON h.shard = d.shard
LEFT JOIN wallet_quarantines q ON q.wallet_id = d.wallet_id
WHERE d.depletes_at < coalesce(q.hour, h.closed_through) * 3600
