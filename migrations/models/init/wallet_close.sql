CREATE FUNCTION wallet_lock_shard_alone(lock_space integer, told_shard integer) RETURNS void
    LANGUAGE plpgsql
    SET lock_timeout = '100ms'
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(lock_space, told_shard);
END
$$;

CREATE FUNCTION wallet_post_hour(
    told_shard smallint,
    told_hour bigint,
    told_now bigint,
    new_transfer_id uuid,
    OUT wallets integer,
    OUT segments integer,
    OUT seconds bigint,
    OUT charge_micros bigint,
    OUT unopened text[],
    OUT moved_on boolean
)
    LANGUAGE plpgsql
    SET enable_seqscan = off
    SET random_page_cost = 1
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    begin_at bigint := told_hour * 3600;
    end_at bigint := (told_hour + 1) * 3600;
    closed_at bigint := greatest(told_now, end_at);
    account_ids uuid[];
    amounts bigint[];
    posted_id uuid;
BEGIN
    WITH due AS (
        SELECT
            s.wallet_id,
            count(*) AS segments,
            sum((end_at - greatest(s.from_at, begin_at))::integer) AS seconds,
            sum(
                CASE
                    WHEN s.from_at <= begin_at THEN s.price_micros_per_hour
                    ELSE (s.price_micros_per_hour * (end_at - s.from_at) + s.carry) / 3600 - s.carry / 3600
                END::integer
            ) AS charge_micros
        FROM usage_segments s
        WHERE s.shard = told_shard
            AND s.until_at IS NULL
            AND s.from_at < end_at
            AND NOT EXISTS (SELECT FROM wallet_quarantines q WHERE q.wallet_id = s.wallet_id)
        GROUP BY s.wallet_id
    ), charged AS (
        SELECT w.currency, w.account_id, d.*
        FROM due d
        JOIN wallets w ON w.shard = told_shard AND w.id = d.wallet_id
    ), earned AS (
        SELECT
            c.currency,
            count(*) AS wallets,
            sum_micros(c.segments) AS segments,
            sum_micros(c.seconds) AS seconds,
            sum_micros(c.charge_micros) AS charge_micros
        FROM charged c
        GROUP BY c.currency
    ), legs AS (
        SELECT c.currency, c.wallet_id, c.account_id, -c.charge_micros AS amount_micros
        FROM charged c
        WHERE c.charge_micros > 0
        UNION ALL
        SELECT e.currency, NULL, r.id, e.charge_micros
        FROM earned e
        LEFT JOIN accounts r ON r.kind = 'revenue' AND r.shard = told_shard AND r.currency = e.currency AND r.provider = ''
        WHERE e.charge_micros > 0
    )
    SELECT
        told.wallets, told.segments, told.seconds, told.charge_micros,
        written.account_ids, written.amounts, written.unopened
    INTO wallets, segments, seconds, charge_micros, account_ids, amounts, unopened
    FROM (
        SELECT
            sum_micros(e.wallets) AS wallets,
            sum_micros(e.segments) AS segments,
            sum_micros(e.seconds) AS seconds,
            sum_micros(e.charge_micros) AS charge_micros
        FROM earned e
    ) told
    CROSS JOIN (
        SELECT
            array_agg(l.account_id ORDER BY l.currency, l.wallet_id NULLS LAST) AS account_ids,
            array_agg(l.amount_micros ORDER BY l.currency, l.wallet_id NULLS LAST) AS amounts,
            array_agg(l.currency) FILTER (WHERE l.account_id IS NULL) AS unopened
        FROM legs l
    ) written;
    IF unopened IS NOT NULL THEN
        RETURN;
    END IF;
    IF account_ids IS NOT NULL THEN
        SELECT p.transfer_id INTO posted_id
        FROM ledger_post(
            new_transfer_id, 'usage_hour', format('hour:%s:%s', told_shard, told_hour), NULL, NULL,
            end_at, closed_at, account_ids, amounts, true
        ) p;
    END IF;
    INSERT INTO hour_closes (
        shard, hour, transfer_id, wallets, segments, seconds, charge_micros, depletions, closed_at
    )
    VALUES (
        told_shard, told_hour, posted_id, wallets, segments, seconds, charge_micros,
        (
            SELECT count(*)
            FROM transfers t
            WHERE t.shard = told_shard AND t.reason IN ('usage_depleted', 'usage_capped')
                AND t.effective_at >= begin_at AND t.effective_at < end_at
        ),
        closed_at
    );
    UPDATE shards s SET closed_through = s.closed_through + 1 WHERE s.shard = told_shard AND s.closed_through = told_hour;
    moved_on := FOUND;
END
$$;

COMMENT ON FUNCTION wallet_lock_shard_alone(integer, integer) IS 'Takes a shard''s lock alone, waiting so briefly that nobody queues behind the one who waits.';
COMMENT ON FUNCTION wallet_post_hour(smallint, bigint, bigint, uuid) IS 'Posts an hour of a shard whose lock is held alone, writes its run row and moves the shard on; posts nothing and tells the currencies where a revenue account is not opened yet.';

REVOKE ALL ON FUNCTION wallet_lock_shard_alone(integer, integer), wallet_post_hour(smallint, bigint, bigint, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION wallet_lock_shard_alone(integer, integer), wallet_post_hour(smallint, bigint, bigint, uuid) TO syneudp_runtime;
