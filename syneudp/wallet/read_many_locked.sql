WITH held AS MATERIALIZED (
    SELECT
        w.id,
        coalesce(q.hour, s.closed_through) AS posted_through,
        a.balance_micros,
        d.depletes_at,
        d.why,
        greatest(coalesce($2::bigint, floor(extract(epoch FROM clock_timestamp()))::bigint), s.closed_through * 3600, w.last_event_at) AS now
    FROM wallets w
    JOIN shards s ON s.shard = w.shard
    JOIN accounts a ON a.id = w.account_id
    LEFT JOIN wallet_depletions d ON d.wallet_id = w.id
    LEFT JOIN wallet_quarantines q ON q.wallet_id = w.id
    WHERE w.id = ANY ($1::uuid[])
), remembered AS (
    UPDATE wallets w SET last_event_at = held.now FROM held WHERE w.id = held.id AND w.last_event_at < held.now
)
SELECT * FROM held
