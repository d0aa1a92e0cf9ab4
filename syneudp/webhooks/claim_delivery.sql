UPDATE webhook_deliveries d
SET lease_id = $1, leased_until = $3, attempts = d.attempts + 1, attempted_at = $2
FROM (
    SELECT due.endpoint_id, due.message_id
    FROM webhook_deliveries due
    WHERE due.state = 'pending' AND due.due_at <= $2 AND (due.leased_until IS NULL OR due.leased_until <= $2)
        AND due.endpoint_id <> ALL ($4::uuid[])
    ORDER BY due.due_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) chosen, webhook_endpoints e, webhook_messages m
WHERE d.endpoint_id = chosen.endpoint_id AND d.message_id = chosen.message_id
    AND e.id = d.endpoint_id AND m.id = d.message_id
RETURNING d.endpoint_id, d.message_id, d.attempts, e.url, m.body
