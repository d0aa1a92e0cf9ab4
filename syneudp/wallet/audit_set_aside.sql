SELECT 'no_wallet_is_set_aside' AS rule, q.wallet_id::text AS row,
    format('hours from %s on are not posted: %s', to_timestamp(q.hour * 3600) AT TIME ZONE 'UTC', q.why) AS detail
FROM wallet_quarantines q
