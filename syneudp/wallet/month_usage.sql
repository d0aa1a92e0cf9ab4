SELECT
    told.wallet_id,
    coalesce(
        sum(
            (s.price_micros_per_hour * (s.until_at - s.from_at) + s.carry) / 3600
            - (s.price_micros_per_hour * (greatest(s.from_at, told.begins_at) - s.from_at) + s.carry) / 3600
        ) FILTER (WHERE s.until_at <= told.through_at),
        0
    )::bigint AS settled_micros,
    array_agg(s.resource_id ORDER BY s.resource_id, s.from_at) FILTER (WHERE s.until_at > told.through_at) AS resource_ids,
    array_agg(s.from_at ORDER BY s.resource_id, s.from_at) FILTER (WHERE s.until_at > told.through_at) AS from_ats,
    array_agg(s.until_at ORDER BY s.resource_id, s.from_at) FILTER (WHERE s.until_at > told.through_at) AS until_ats,
    array_agg(s.price_micros_per_hour ORDER BY s.resource_id, s.from_at) FILTER (WHERE s.until_at > told.through_at) AS prices,
    array_agg(s.carry ORDER BY s.resource_id, s.from_at) FILTER (WHERE s.until_at > told.through_at) AS carries,
    array_agg(s.tariff_id ORDER BY s.resource_id, s.from_at) FILTER (WHERE s.until_at > told.through_at) AS tariff_ids
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS told (wallet_id, through_at, begins_at)
LEFT JOIN usage_segments s ON s.wallet_id = told.wallet_id AND s.until_at > told.begins_at
GROUP BY told.wallet_id
