SET LOCAL session_replication_role = replica;
LOCK TABLE shards, wallets, usage_segments, storage_steps, wallet_depletions, hour_closes IN ACCESS EXCLUSIVE MODE;
UPDATE shards SET first_hour = first_hour - :hours, closed_through = closed_through - :hours
WHERE shard = ANY (:shards);
UPDATE usage_segments SET from_at = from_at - :hours * 3600, until_at = until_at - :hours * 3600
WHERE shard = ANY (:shards);
UPDATE storage_steps SET begins_at = begins_at - :hours * 3600 WHERE shard = ANY (:shards);
UPDATE wallet_depletions SET depletes_at = depletes_at - :hours * 3600 WHERE shard = ANY (:shards);
UPDATE hour_closes SET hour = hour - :hours WHERE shard = ANY (:shards);
UPDATE transfers SET effective_at = effective_at - :hours * 3600 WHERE shard = ANY (:shards);
UPDATE transfers
SET idempotency_key = format('hour:%s:%s', shard, split_part(idempotency_key, ':', 3)::bigint - :hours)
WHERE reason = 'usage_hour' AND shard = ANY (:shards);
