WITH ruled AS (
    SELECT
        c.*,
        lead(c.set_at, 1, 4102444800) OVER (PARTITION BY c.wallet_id ORDER BY c.number) AS until_at,
        row_number() OVER (PARTITION BY c.wallet_id ORDER BY c.number) AS place,
        lag(c.set_at, 1, 0::bigint) OVER (PARTITION BY c.wallet_id ORDER BY c.number) AS previous_set_at
    FROM wallet_caps c
), priced AS (
    SELECT
        s.*,
        coalesce(s.until_at, greatest(s.from_at, coalesce(q.hour, h.closed_through) * 3600)) AS posted_at
    FROM usage_segments s
    JOIN shards h ON h.shard = s.shard
    LEFT JOIN wallet_quarantines q ON q.wallet_id = s.wallet_id
    WHERE s.wallet_id IN (SELECT c.wallet_id FROM wallet_caps c)
), monthly AS (
    SELECT
        r.wallet_id,
        r.number,
        r.monthly_micros,
        m.begins,
        m.begin_at,
        least(r.until_at, m.end_at) AS end_at,
        CASE WHEN r.set_at >= m.begin_at THEN r.spent_micros ELSE 0 END AS spent_micros
    FROM ruled r
    CROSS JOIN LATERAL (SELECT max(p.posted_at) AS at FROM priced p WHERE p.wallet_id = r.wallet_id) used
    CROSS JOIN LATERAL (
        SELECT
            begins,
            extract(epoch FROM begins)::bigint AS begin_at,
            extract(epoch FROM begins + interval '1 month')::bigint AS end_at
        FROM generate_series(
            date_trunc('month', to_timestamp(r.set_at) AT TIME ZONE 'UTC'),
            to_timestamp(least(r.until_at, coalesce(used.at, 0))) AT TIME ZONE 'UTC',
            interval '1 month'
        ) AS begins
    ) m
    WHERE r.monthly_micros IS NOT NULL
), charged AS (
    SELECT m.wallet_id, m.number, m.monthly_micros, m.begins, m.spent_micros, sum(
            (p.price_micros_per_hour * (least(p.posted_at, m.end_at) - p.from_at) + p.carry) / 3600
            - (p.price_micros_per_hour * (greatest(p.from_at, m.begin_at) - p.from_at) + p.carry) / 3600
        ) AS charge_micros
    FROM monthly m
    JOIN priced p ON p.wallet_id = m.wallet_id AND p.from_at < m.end_at AND p.posted_at > m.begin_at
    GROUP BY m.wallet_id, m.number, m.monthly_micros, m.begins, m.spent_micros
), cut AS (
    SELECT t.id, t.effective_at, w.id AS wallet_id,
        extract(epoch FROM date_trunc('month', to_timestamp(t.effective_at) AT TIME ZONE 'UTC'))::bigint AS begin_at
    FROM transfers t
    JOIN entries e ON e.transfer_id = t.id AND e.created_at = t.created_at
    JOIN wallets w ON w.account_id = e.account_id
    WHERE t.reason = 'usage_capped'
), reached AS (
    SELECT
        c.id,
        c.wallet_id,
        c.effective_at,
        sum(
            CASE
                WHEN p.from_at > c.effective_at OR p.posted_at <= c.begin_at AND p.posted_at < c.effective_at THEN 0
                ELSE (
                    p.price_micros_per_hour * (least(p.posted_at, c.effective_at + 1) - p.from_at) + p.carry
                    + CASE WHEN p.until_at = c.effective_at THEN next_second.price_micros_per_hour ELSE 0 END
                ) / 3600
                - (p.price_micros_per_hour * (greatest(p.from_at, c.begin_at) - p.from_at) + p.carry) / 3600
            END
        ) AS with_next_micros
    FROM cut c
    JOIN priced p ON p.wallet_id = c.wallet_id
    CROSS JOIN LATERAL usage_price_at(p.tariff_id, p.resource_id, p.running, c.effective_at) next_second
    GROUP BY c.id, c.wallet_id, c.effective_at
)
SELECT 'nothing_charged_past_the_cap' AS rule, format('%s %s', c.wallet_id, to_char(c.begins, 'YYYY-MM')) AS row,
    format('%s charged under a cap of %s, set when %s was', c.charge_micros, c.monthly_micros, c.spent_micros) AS detail
FROM charged c
WHERE c.charge_micros > greatest(c.monthly_micros, c.spent_micros)
UNION ALL
SELECT 'no_second_within_the_cap_was_cut', r.wallet_id::text,
    format('the cap had room for the second after %s, with which the month costs %s', r.effective_at, r.with_next_micros)
FROM reached r
WHERE NOT EXISTS (
    SELECT FROM ruled c
    WHERE c.wallet_id = r.wallet_id AND c.monthly_micros < r.with_next_micros
        AND c.set_at <= r.effective_at AND c.until_at >= r.effective_at
)
UNION ALL
SELECT 'caps_follow_each_other', format('%s number %s', c.wallet_id, c.number), 'a cap is missing before it, or set later'
FROM ruled c
WHERE c.number <> c.place OR c.set_at < c.previous_set_at
