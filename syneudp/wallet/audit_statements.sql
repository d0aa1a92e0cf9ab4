WITH retained AS (
    SELECT w.id AS wallet_id, w.account_id
    FROM wallets w
    WHERE NOT EXISTS (SELECT FROM cut_balances b WHERE b.account_id = w.account_id)
), lines AS (
    SELECT
        r.wallet_id,
        to_char(to_timestamp(e.created_at) AT TIME ZONE 'UTC', 'YYYY-MM') AS month,
        e.amount_micros
    FROM retained r
    JOIN entries e ON e.account_id = r.account_id
    JOIN transfers t ON t.id = e.transfer_id
    WHERE t.reason NOT IN ('usage_hour', 'usage_rest', 'usage_depleted', 'usage_capped')
    UNION ALL
    SELECT
        s.wallet_id,
        to_char(m.begins, 'YYYY-MM'),
        (s.price_micros_per_hour * (greatest(s.from_at, m.begin_at) - s.from_at) + s.carry) / 3600
        - (s.price_micros_per_hour * (least(s.posted_at, m.end_at) - s.from_at) + s.carry) / 3600
    FROM (
        SELECT g.*, coalesce(g.until_at, greatest(g.from_at, coalesce(q.hour, h.closed_through) * 3600)) AS posted_at
        FROM usage_segments g
        JOIN retained r ON r.wallet_id = g.wallet_id
        JOIN shards h ON h.shard = g.shard
        LEFT JOIN wallet_quarantines q ON q.wallet_id = g.wallet_id
    ) s
    CROSS JOIN LATERAL (
        SELECT
            begins,
            extract(epoch FROM begins)::bigint AS begin_at,
            extract(epoch FROM begins + interval '1 month')::bigint AS end_at
        FROM generate_series(
            date_trunc('month', to_timestamp(s.from_at) AT TIME ZONE 'UTC'),
            to_timestamp(s.posted_at - 1) AT TIME ZONE 'UTC',
            interval '1 month'
        ) AS begins
    ) m
    WHERE s.from_at < s.posted_at
), statements AS (
    SELECT
        l.wallet_id,
        l.month,
        sum(sum(l.amount_micros)) OVER (PARTITION BY l.wallet_id ORDER BY l.month) AS closing_micros,
        row_number() OVER (PARTITION BY l.wallet_id ORDER BY l.month DESC) AS from_last
    FROM lines l
    GROUP BY l.wallet_id, l.month
)
SELECT 'statements_open_lines_close' AS rule, format('%s %s', s.wallet_id, s.month) AS row,
    format('closes at %s, below zero', s.closing_micros) AS detail
FROM statements s
WHERE s.closing_micros < 0
UNION ALL
SELECT 'statements_open_lines_close', format('%s %s', r.wallet_id, coalesce(s.month, 'no month')),
    format('its lines lead to %s, the ledger holds %s', coalesce(s.closing_micros, 0), a.balance_micros)
FROM retained r
JOIN accounts a ON a.id = r.account_id
LEFT JOIN statements s ON s.wallet_id = r.wallet_id AND s.from_last = 1
WHERE coalesce(s.closing_micros, 0) <> a.balance_micros
