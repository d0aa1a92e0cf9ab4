SELECT
    w.currency,
    w.created_at,
    p.posted_through_at,
    (a.balance_micros - m.since_begin + u.since_begin)::bigint AS opening_micros,
    (a.balance_micros - m.since_end + u.since_end)::bigint AS closing_micros
FROM wallets w
JOIN accounts a ON a.id = w.account_id
JOIN shards h ON h.shard = w.shard
LEFT JOIN wallet_quarantines q ON q.wallet_id = w.id
CROSS JOIN LATERAL (SELECT coalesce(q.hour, h.closed_through) * 3600 AS posted_through_at) p
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(e.amount_micros), 0) AS since_begin,
        coalesce(sum(e.amount_micros) FILTER (WHERE e.created_at >= $3), 0) AS since_end
    FROM entries e
    JOIN transfers t ON t.id = e.transfer_id
    WHERE e.account_id = w.account_id AND e.created_at >= $2 AND t.reason <> ALL ($4::text[])
) m
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(s.through - (s.price_micros_per_hour * (greatest(s.from_at, $2) - s.from_at) + s.carry) / 3600), 0)
            AS since_begin,
        coalesce(
            sum(s.through - (s.price_micros_per_hour * (greatest(s.from_at, $3) - s.from_at) + s.carry) / 3600)
                FILTER (WHERE s.posted_at > $3), 0
        ) AS since_end
    FROM (
        SELECT
            r.from_at,
            r.price_micros_per_hour,
            r.carry,
            r.posted_at,
            (r.price_micros_per_hour * (r.posted_at - r.from_at) + r.carry) / 3600 AS through
        FROM (
            SELECT g.*, coalesce(g.until_at, greatest(g.from_at, p.posted_through_at)) AS posted_at
            FROM usage_segments g
            WHERE g.wallet_id = w.id
        ) r
        WHERE r.posted_at > $2
    ) s
) u
WHERE w.id = $1
