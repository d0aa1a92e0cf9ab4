WITH burning AS (
    SELECT
        number,
        mod(number / 64, 256)::smallint AS shard,
        (lpad(to_hex(number), 12, '0') || '70008000' || lpad(to_hex(mod(number / 64, 256)), 12, '0'))::uuid AS id
    FROM generate_series($1::integer, $2::integer - 1) AS number
), capped AS (
    INSERT INTO wallet_depletions (wallet_id, shard, depletes_at, why)
    SELECT id, shard, 4102444800, 'balance' FROM burning
), priced AS (
    SELECT b.*, place, (3001 + 2000 * place + 7 * mod(b.number, 8))::bigint AS price_micros_per_hour
    FROM burning b
    CROSS JOIN generate_series(1, $3::integer) AS place
)
INSERT INTO usage_segments (
    resource_id, from_at, wallet_id, shard, tariff_id, running, storage_steps, price_micros_per_hour, carry
)
SELECT
    (lpad(to_hex(number), 12, '0') || '7' || lpad(to_hex(place), 3, '0') || '8000' || right(id::text, 12))::uuid,
    $4::bigint + CASE WHEN place = 1 THEN mod(number, 3000) ELSE 0 END,
    id,
    shard,
    lpad(to_hex(price_micros_per_hour), 32, '0')::uuid,
    true,
    0,
    price_micros_per_hour,
    0
FROM priced
ORDER BY number, place
