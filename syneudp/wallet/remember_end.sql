WITH remembered AS (
    INSERT INTO wallet_depletions (wallet_id, shard, depletes_at, why)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (wallet_id) DO UPDATE
    SET depletes_at = excluded.depletes_at, why = excluded.why
    WHERE (wallet_depletions.depletes_at, wallet_depletions.why) <> (excluded.depletes_at, excluded.why)
)
INSERT INTO wallet_alert_watches AS w (wallet_id, look_at)
SELECT $1, $3 - ($6::bigint[])[1]
WHERE $4 = 'balance'
ON CONFLICT (wallet_id) DO UPDATE
SET look_at = CASE
    WHEN w.level > 0 AND $3 - $5::bigint > ($6::bigint[])[w.level] THEN $5
    ELSE $3 - ($6::bigint[])[w.level + 1]
END
