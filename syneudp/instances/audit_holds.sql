WITH held AS (
    SELECT
        i.id,
        i.wallet_id,
        i.plan_id,
        i.terminated_for IS NULL AS live,
        i.observed_state AS observed,
        i.applied_generation >= i.state_generation AS heard,
        i.ready_at IS NOT NULL AS ready,
        coalesce(h.holds, '{}') AS holds
    FROM instances i
    LEFT JOIN (
        SELECT each.instance_id, array_agg(each.hold ORDER BY each.hold) AS holds
        FROM instance_holds each
        GROUP BY each.instance_id
    ) h ON h.instance_id = i.id
), wanted AS (
    SELECT
        h.*,
        CASE WHEN NOT h.live THEN 'terminated' WHEN h.holds = '{}' THEN 'running' ELSE 'suspended' END AS state,
        CASE
            WHEN NOT h.live THEN 'nothing'
            WHEN h.holds = '{}' THEN 'running'
            WHEN h.ready AND h.holds <@ '{owner,storage}' THEN 'stored'
            ELSE 'nothing'
        END AS accrual
    FROM held h
), metered AS (
    SELECT
        w.*,
        s.tariff_id,
        s.wallet_id AS payer_id,
        CASE WHEN s.resource_id IS NULL THEN 'nothing' WHEN s.running THEN 'running' ELSE 'stored' END AS charged
    FROM wanted w
    LEFT JOIN usage_segments s ON s.resource_id = w.id AND s.until_at IS NULL
), owing AS (
    SELECT d.wallet_id
    FROM wallet_debts d
    JOIN accounts a ON a.id = d.account_id
    WHERE a.balance_micros < 0
), capped AS (
    SELECT DISTINCT ON (c.wallet_id) c.wallet_id, c.monthly_micros
    FROM wallet_caps c
    ORDER BY c.wallet_id, c.number DESC
)
SELECT 'instance_is_charged_as_it_is_held' AS rule, m.id::text AS row,
    format('wanted %s under %s, observed %s, charged as %s', m.state, m.holds, coalesce(m.observed, 'nothing'), m.charged) AS detail
FROM metered m
WHERE (m.charged <> 'nothing' AND (m.payer_id, m.tariff_id) <> (m.wallet_id, m.plan_id))
    OR (m.accrual = 'running' AND (m.charged = 'running') <> (m.heard AND m.observed IS NOT DISTINCT FROM 'running'))
    OR (m.accrual <> 'running' AND m.charged <> m.accrual)
UNION ALL
SELECT 'wanted_state_was_told', w.id::text, format('wanted %s under %s, %s confirmed', w.state, w.holds, w.observed)
FROM wanted w
WHERE w.heard AND w.observed <> w.state
UNION ALL
SELECT 'instance_is_frozen_while_its_wallet_owes', w.id::text,
    format('held for %s, its wallet %s', w.holds, CASE WHEN o.wallet_id IS NULL THEN 'owes nothing' ELSE 'owes' END)
FROM wanted w
LEFT JOIN owing o ON o.wallet_id = w.wallet_id
WHERE w.live AND ('frozen' = ANY (w.holds)) <> (o.wallet_id IS NOT NULL)
UNION ALL
SELECT 'cap_hold_has_its_cap', w.id::text, 'its wallet has no monthly cap'
FROM wanted w
LEFT JOIN capped c ON c.wallet_id = w.wallet_id
WHERE w.live AND 'cap' = ANY (w.holds) AND c.monthly_micros IS NULL
