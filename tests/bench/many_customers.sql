WITH told AS (
    SELECT
        number,
        mod(number / 64, 256)::smallint AS shard,
        (lpad(to_hex(number), 12, '0') || '70008000' || lpad(to_hex(mod(number / 64, 256)), 12, '0'))::uuid AS id,
        (lpad(to_hex(mod(number / 64, 256)), 2, '0') || lpad(to_hex(number), 10, '0') || '80008000000000000000')::uuid AS account_id
    FROM generate_series($1::integer, $2::integer - 1) AS number
), people AS (
    INSERT INTO users (id, email, created_at)
    SELECT id, id || '@example.com', 0 FROM told
), opened AS (
    INSERT INTO accounts (id, kind, shard, currency, created_at)
    SELECT account_id, 'wallet', shard, 'EUR', 0 FROM told
)
INSERT INTO wallets (id, user_id, account_id, shard, currency, last_event_at, created_at)
SELECT id, id, account_id, shard, 'EUR', 0, 0 FROM told
