WITH RECURSIVE moved AS (
    SELECT t.id, t.reverses_id, t.shard,
        coalesce(sum(e.amount_micros) FILTER (WHERE e.amount_micros > 0), r.amount_micros, 0) AS amount_micros
    FROM transfers t
    LEFT JOIN transfer_reversals r ON r.transfer_id = t.id
    LEFT JOIN entries e ON e.transfer_id = t.id AND e.created_at = t.created_at
    WHERE t.reverses_id IS NOT NULL
    GROUP BY t.id, r.amount_micros
), taken AS (
    SELECT m.id AS reversal_id, m.reverses_id AS transfer_id, m.shard, m.amount_micros AS reversed_micros
    FROM moved m
    UNION ALL
    SELECT k.reversal_id, t.reverses_id, k.shard, -k.reversed_micros
    FROM taken k
    JOIN transfers t ON t.id = k.transfer_id
    WHERE t.reverses_id IS NOT NULL
), summed AS (
    SELECT k.transfer_id, sum(k.reversed_micros) AS reversed_micros, bool_and(k.shard = t.shard) AS in_one_shard
    FROM taken k
    LEFT JOIN transfers t ON t.id = k.transfer_id
    GROUP BY k.transfer_id
), whole AS (
    SELECT s.transfer_id, sum(e.amount_micros) FILTER (WHERE e.amount_micros > 0) AS amount_micros
    FROM summed s
    JOIN transfers t ON t.id = s.transfer_id
    JOIN entries e ON e.transfer_id = t.id AND e.created_at = t.created_at
    GROUP BY s.transfer_id
)
SELECT 'reversals_stay_within' AS rule, s.transfer_id::text AS row,
    format('%s of %s taken back', s.reversed_micros, coalesce(w.amount_micros, r.amount_micros)) AS detail
FROM summed s
LEFT JOIN whole w ON w.transfer_id = s.transfer_id
LEFT JOIN transfer_reversals r ON r.transfer_id = s.transfer_id
WHERE s.reversed_micros < 0 OR s.in_one_shard IS NOT TRUE
    OR s.reversed_micros > coalesce(w.amount_micros, r.amount_micros, 0)
UNION ALL
SELECT 'reversals_are_counted', coalesce(s.transfer_id, r.transfer_id)::text,
    format('%s of %s counted, %s summed', r.reversed_micros, r.amount_micros, coalesce(s.reversed_micros, 0))
FROM summed s
FULL JOIN transfer_reversals r ON r.transfer_id = s.transfer_id
LEFT JOIN whole w ON w.transfer_id = s.transfer_id
WHERE r.reversed_micros IS DISTINCT FROM coalesce(s.reversed_micros, 0)
    OR r.amount_micros <> coalesce(w.amount_micros, r.amount_micros)
