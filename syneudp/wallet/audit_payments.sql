WITH booked AS (
    SELECT r.provider, r.reversal_id, r.amount_micros, r.taken_id, r.given_back_id,
        taken.reason = r.kind AND taken.idempotency_key = format('%s:%s:%s', r.kind, r.provider, r.reversal_id) AS taken_for_it,
        given.reverses_id = r.taken_id AS given_for_it,
        (SELECT sum(e.amount_micros) FROM entries e
            WHERE e.transfer_id = taken.id AND e.created_at = taken.created_at AND e.amount_micros > 0) AS taken_micros,
        (SELECT sum(e.amount_micros) FROM entries e
            WHERE e.transfer_id = given.id AND e.created_at = given.created_at AND e.amount_micros > 0) AS given_micros
    FROM payment_reversals r
    LEFT JOIN transfers taken ON taken.id = r.taken_id
    LEFT JOIN transfers given ON given.id = r.given_back_id
)
SELECT 'paid_payment_is_credited' AS rule, p.id::text AS row, format('%s %s is in no top-up', p.provider, p.payment_id) AS detail
FROM payments p
LEFT JOIN top_ups t ON t.provider = p.provider AND t.payment_id = p.payment_id AND t.wallet_id = p.wallet_id
WHERE p.status = 'paid' AND t.id IS NULL
UNION ALL
SELECT 'credited_payment_is_paid', p.id::text, format('%s although %s was credited', p.status, p.payment_id)
FROM payments p
JOIN top_ups t ON t.provider = p.provider AND t.payment_id = p.payment_id
WHERE p.status <> 'paid'
UNION ALL
SELECT 'reversal_is_in_the_books', format('%s %s', b.provider, b.reversal_id),
    format('%s told, %s taken, %s given back', b.amount_micros, b.taken_micros, b.given_micros)
FROM booked b
WHERE (b.taken_id IS NOT NULL AND (b.taken_for_it IS NOT TRUE OR b.taken_micros <> b.amount_micros))
    OR (b.given_back_id IS NOT NULL AND (b.given_for_it IS NOT TRUE OR b.given_micros <> b.amount_micros))
UNION ALL
SELECT 'taken_back_is_a_reversal', t.id::text, t.idempotency_key
FROM transfers t
WHERE t.reason IN ('refund', 'dispute') AND t.idempotency_key LIKE t.reason || ':stripe:%'
    AND NOT EXISTS (SELECT FROM payment_reversals r WHERE r.taken_id = t.id)
