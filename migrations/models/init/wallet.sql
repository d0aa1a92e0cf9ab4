CREATE TABLE shards (
    shard smallint PRIMARY KEY,
    first_hour bigint NOT NULL,
    closed_through bigint NOT NULL,
    CONSTRAINT shards_range CHECK (shard BETWEEN 0 AND 255),
    CONSTRAINT shards_hours_in_order CHECK (first_hour >= 0 AND closed_through >= first_hour)
) WITH (fillfactor = 50);

INSERT INTO shards (shard, first_hour, closed_through)
SELECT number, hour, hour
FROM generate_series(0, 255) AS number
CROSS JOIN (SELECT floor(extract(epoch FROM clock_timestamp()) / 3600)::bigint AS hour) AS this;

CREATE SEQUENCE wallet_places MINVALUE 0;

CREATE TABLE wallets (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    account_id uuid NOT NULL,
    shard smallint NOT NULL,
    currency text NOT NULL,
    last_event_at bigint NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT wallets_one_a_user UNIQUE (user_id),
    CONSTRAINT wallets_one_an_account UNIQUE (account_id),
    CONSTRAINT wallets_shard_stands UNIQUE (id, shard),
    CONSTRAINT wallets_user_known FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT wallets_account_known FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT wallets_shard_known FOREIGN KEY (shard) REFERENCES shards (shard),
    CONSTRAINT wallets_currency_form CHECK (currency ~ '^[A-Z]{3}$')
) WITH (fillfactor = 70);

CREATE INDEX wallets_by_shard ON wallets (shard, id) INCLUDE (account_id, currency);

CREATE TABLE tariff_versions (
    tariff_id uuid NOT NULL,
    begins_at bigint NOT NULL,
    price_micros_per_hour bigint NOT NULL,
    storage_price_micros_per_gib_hour bigint NOT NULL,
    CONSTRAINT tariff_versions_pkey PRIMARY KEY (tariff_id, begins_at),
    CONSTRAINT tariff_versions_begin_on_the_hour CHECK (
        begins_at BETWEEN 0 AND 4102444800 AND begins_at % 3600 = 0
    ),
    CONSTRAINT tariff_versions_price_range CHECK (price_micros_per_hour BETWEEN 0 AND 1000000000),
    CONSTRAINT tariff_versions_storage_price_range CHECK (storage_price_micros_per_gib_hour BETWEEN 0 AND 1000000000)
);

CREATE INDEX tariff_versions_by_beginning ON tariff_versions (begins_at);

CREATE TABLE tariff_reckonings (
    tariff_id uuid NOT NULL,
    begins_at bigint NOT NULL,
    shard smallint NOT NULL,
    CONSTRAINT tariff_reckonings_pkey PRIMARY KEY (shard, begins_at, tariff_id),
    CONSTRAINT tariff_reckonings_version_known FOREIGN KEY (tariff_id, begins_at)
        REFERENCES tariff_versions (tariff_id, begins_at),
    CONSTRAINT tariff_reckonings_shard_known FOREIGN KEY (shard) REFERENCES shards (shard)
);

CREATE TABLE storage_steps (
    resource_id uuid NOT NULL,
    begins_at bigint NOT NULL,
    wallet_id uuid NOT NULL,
    shard smallint NOT NULL,
    steps integer NOT NULL,
    CONSTRAINT storage_steps_pkey PRIMARY KEY (resource_id, begins_at),
    CONSTRAINT storage_steps_wallet_known FOREIGN KEY (wallet_id, shard) REFERENCES wallets (id, shard),
    CONSTRAINT storage_steps_begin_on_the_hour CHECK (begins_at BETWEEN 0 AND 4102444800 AND begins_at % 3600 = 0),
    CONSTRAINT storage_steps_not_negative CHECK (steps >= 0)
);

CREATE INDEX storage_steps_by_shard ON storage_steps (shard, begins_at);

CREATE FUNCTION usage_price_at(tariff uuid, resource uuid, runs boolean, instant bigint)
RETURNS TABLE (price_micros_per_hour bigint, storage_micros_per_hour bigint, storage_steps integer)
    LANGUAGE sql STABLE
AS $$
SELECT
    least(1000000000, CASE WHEN runs THEN v.price_micros_per_hour ELSE 0 END + stored.price),
    least(1000000000, stored.price),
    coalesce(t.steps, 0)
FROM (
    SELECT version.price_micros_per_hour, version.storage_price_micros_per_gib_hour
    FROM tariff_versions version
    WHERE version.tariff_id = tariff AND version.begins_at <= instant
    ORDER BY version.begins_at DESC
    LIMIT 1
) v
LEFT JOIN LATERAL (
    SELECT step.steps
    FROM storage_steps step
    WHERE step.resource_id = resource AND step.begins_at <= instant
    ORDER BY step.begins_at DESC
    LIMIT 1
) t ON true
CROSS JOIN LATERAL (
    SELECT coalesce(t.steps, 0)::bigint * v.storage_price_micros_per_gib_hour / 16 AS price
) stored
$$;

CREATE FUNCTION usage_changes(tariff uuid, resource uuid, runs boolean, since bigint)
RETURNS TABLE (begins_at bigint, price_micros_per_hour bigint, storage_steps integer)
    LANGUAGE sql STABLE
AS $$
SELECT boundary.begins_at, price.price_micros_per_hour, price.storage_steps
FROM (
    SELECT version.begins_at FROM tariff_versions version WHERE version.tariff_id = tariff AND version.begins_at > since
    UNION
    SELECT step.begins_at FROM storage_steps step WHERE step.resource_id = resource AND step.begins_at > since
) boundary
CROSS JOIN LATERAL usage_price_at(tariff, resource, runs, boundary.begins_at) price
$$;

CREATE TABLE usage_segments (
    resource_id uuid NOT NULL,
    from_at bigint NOT NULL,
    until_at bigint,
    wallet_id uuid NOT NULL,
    shard smallint NOT NULL,
    tariff_id uuid NOT NULL,
    running boolean NOT NULL,
    storage_steps integer NOT NULL,
    price_micros_per_hour bigint NOT NULL,
    carry smallint NOT NULL,
    CONSTRAINT usage_segments_pkey PRIMARY KEY (resource_id, from_at),
    CONSTRAINT usage_segments_wallet_known FOREIGN KEY (wallet_id, shard) REFERENCES wallets (id, shard),
    CONSTRAINT usage_segments_half_open CHECK (until_at >= from_at),
    CONSTRAINT usage_segments_instant_range CHECK (from_at BETWEEN 0 AND 4102444800 AND until_at <= 4102444800),
    CONSTRAINT usage_segments_price_range CHECK (price_micros_per_hour BETWEEN 0 AND 1000000000),
    CONSTRAINT usage_segments_carry_range CHECK (carry BETWEEN 0 AND 3599)
);

CREATE UNIQUE INDEX usage_segments_one_open ON usage_segments (resource_id) WHERE until_at IS NULL;
CREATE INDEX usage_segments_open_by_shard ON usage_segments (shard, wallet_id)
    INCLUDE (from_at, price_micros_per_hour, carry) WHERE until_at IS NULL;
CREATE INDEX usage_segments_open_by_wallet ON usage_segments (wallet_id) WHERE until_at IS NULL;
CREATE INDEX usage_segments_by_wallet ON usage_segments (wallet_id, from_at);
CREATE INDEX usage_segments_closed_by_shard ON usage_segments (shard, until_at) WHERE until_at IS NOT NULL;

CREATE TABLE wallet_depletions (
    wallet_id uuid PRIMARY KEY,
    shard smallint NOT NULL,
    depletes_at bigint NOT NULL,
    why text NOT NULL,
    CONSTRAINT wallet_depletions_wallet_known FOREIGN KEY (wallet_id, shard) REFERENCES wallets (id, shard),
    CONSTRAINT wallet_depletions_why_known CHECK (why IN ('balance', 'cap')),
    CONSTRAINT wallet_depletions_capped CHECK (depletes_at BETWEEN 0 AND 4102444800)
) WITH (fillfactor = 50);

CREATE INDEX wallet_depletions_due ON wallet_depletions (depletes_at, wallet_id);

CREATE TABLE top_ups (
    id uuid PRIMARY KEY,
    wallet_id uuid NOT NULL,
    provider text NOT NULL,
    payment_id text NOT NULL,
    amount_micros bigint NOT NULL,
    transfer_id uuid NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT top_ups_payment_once UNIQUE (provider, payment_id),
    CONSTRAINT top_ups_transfer_once UNIQUE (transfer_id),
    CONSTRAINT top_ups_wallet_known FOREIGN KEY (wallet_id) REFERENCES wallets (id),
    CONSTRAINT top_ups_transfer_known FOREIGN KEY (transfer_id) REFERENCES transfers (id),
    CONSTRAINT top_ups_amount_positive CHECK (amount_micros > 0),
    CONSTRAINT top_ups_provider_form CHECK (provider ~ '^[a-z][a-z0-9_]{0,39}$'),
    CONSTRAINT top_ups_payment_length CHECK (char_length(payment_id) BETWEEN 1 AND 255)
);

CREATE INDEX top_ups_by_wallet ON top_ups (wallet_id, created_at);

CREATE TABLE hour_closes (
    shard smallint NOT NULL,
    hour bigint NOT NULL,
    transfer_id uuid,
    wallets integer NOT NULL,
    segments integer NOT NULL,
    seconds bigint NOT NULL,
    charge_micros bigint NOT NULL,
    depletions integer NOT NULL,
    closed_at bigint NOT NULL,
    CONSTRAINT hour_closes_pkey PRIMARY KEY (shard, hour),
    CONSTRAINT hour_closes_transfer_once UNIQUE (transfer_id),
    CONSTRAINT hour_closes_shard_known FOREIGN KEY (shard) REFERENCES shards (shard),
    CONSTRAINT hour_closes_transfer_known FOREIGN KEY (transfer_id) REFERENCES transfers (id),
    CONSTRAINT hour_closes_hour_is_over CHECK (closed_at >= (hour + 1) * 3600),
    CONSTRAINT hour_closes_counts_not_negative CHECK (
        wallets >= 0 AND segments >= 0 AND seconds >= 0 AND charge_micros >= 0 AND depletions >= 0
    ),
    CONSTRAINT hour_closes_charge_is_a_transfer CHECK ((charge_micros = 0) = (transfer_id IS NULL))
);

CREATE TABLE wallet_quarantines (
    wallet_id uuid PRIMARY KEY,
    shard smallint NOT NULL,
    hour bigint NOT NULL,
    why text NOT NULL,
    since_at bigint NOT NULL,
    CONSTRAINT wallet_quarantines_wallet_known FOREIGN KEY (wallet_id, shard) REFERENCES wallets (id, shard),
    CONSTRAINT wallet_quarantines_why_length CHECK (char_length(why) BETWEEN 1 AND 400),
    CONSTRAINT wallet_quarantines_instants_not_negative CHECK (hour >= 0 AND since_at >= 0)
);

CREATE FUNCTION wallet_refuse_change() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION '% is kept as it was written: % refused', tg_table_name, tg_op
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE FUNCTION wallet_check_opened_segments() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    culprit text;
BEGIN
    SELECT n.resource_id::text || ' from ' || n.from_at INTO culprit
    FROM new_segments n
    JOIN shards s ON s.shard = n.shard
    LEFT JOIN wallet_quarantines q ON q.wallet_id = n.wallet_id
    WHERE n.from_at < coalesce(q.hour, s.closed_through) * 3600 OR n.until_at IS NOT NULL
    LIMIT 1;
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION 'segment % opens in a closed hour or not open', culprit USING ERRCODE = 'check_violation';
    END IF;

    SELECT n.resource_id::text || ' from ' || n.from_at INTO culprit
    FROM new_segments n
    LEFT JOIN LATERAL (
        SELECT p.until_at, p.wallet_id,
            mod(p.price_micros_per_hour * (p.until_at - p.from_at) + p.carry, 3600) AS carry
        FROM usage_segments p
        WHERE p.resource_id = n.resource_id AND p.from_at < n.from_at
        ORDER BY p.from_at DESC
        LIMIT 1
    ) previous ON true
    WHERE n.carry <> coalesce(previous.carry, 0)
        OR (previous.wallet_id IS NOT NULL
            AND (previous.until_at IS NULL OR previous.until_at > n.from_at OR previous.wallet_id <> n.wallet_id))
        OR EXISTS (
            SELECT FROM usage_segments later WHERE later.resource_id = n.resource_id AND later.from_at > n.from_at
        )
    LIMIT 1;
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION 'segment % overlaps or does not continue its neighbour', culprit USING ERRCODE = 'check_violation';
    END IF;

    SELECT n.resource_id::text || ' from ' || n.from_at INTO culprit
    FROM new_segments n
    LEFT JOIN LATERAL usage_price_at(n.tariff_id, n.resource_id, n.running, n.from_at) price ON true
    WHERE (n.price_micros_per_hour, n.storage_steps)
        IS DISTINCT FROM (price.price_micros_per_hour, price.storage_steps)
    LIMIT 1;
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION 'segment % has another price than its tariff', culprit USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION wallet_check_tariff_versions() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    culprit text;
BEGIN
    SELECT n.tariff_id::text || ' from ' || n.begins_at INTO culprit
    FROM new_versions n
    WHERE EXISTS (
            SELECT FROM tariff_versions v WHERE v.tariff_id = n.tariff_id AND v.begins_at <> n.begins_at
        )
        AND n.begins_at <= greatest(
            floor(extract(epoch FROM clock_timestamp()))::bigint,
            (SELECT max(closed_through) * 3600 FROM shards),
            (SELECT max(last_event_at) FROM wallets)
        )
    LIMIT 1;
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION 'tariff % begins in an hour that has begun', culprit USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION wallet_check_storage_steps() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    culprit text;
BEGIN
    SELECT t.resource_id::text || ' from ' || t.begins_at INTO culprit
    FROM told t
    JOIN wallets w ON w.id = t.wallet_id
    JOIN shards s ON s.shard = t.shard
    WHERE t.begins_at <= greatest(w.last_event_at, s.closed_through * 3600)
    LIMIT 1;
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION 'storage of % is planned in an hour that has begun', culprit USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION wallet_check_closed_segments() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    culprit text;
BEGIN
    SELECT told.culprit INTO culprit
    FROM (
        SELECT o.resource_id::text || ' from ' || o.from_at AS culprit
        FROM old_segments o
        WHERE o.until_at IS NOT NULL
        UNION ALL
        SELECT n.resource_id::text || ' from ' || n.from_at
        FROM new_segments n
        JOIN shards s ON s.shard = n.shard
        LEFT JOIN wallet_quarantines q ON q.wallet_id = n.wallet_id
        WHERE n.until_at IS NULL OR n.until_at < coalesce(q.hour, s.closed_through) * 3600
        UNION ALL
        SELECT u.resource_id::text || ' from ' || u.from_at
        FROM (SELECT * FROM old_segments UNION ALL SELECT * FROM new_segments) u
        GROUP BY u.resource_id, u.from_at, u.wallet_id, u.shard, u.tariff_id, u.running, u.storage_steps,
            u.price_micros_per_hour, u.carry
        HAVING count(*) <> 2
    ) told
    LIMIT 1;
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION 'segment % may only be closed, once and after the last closed hour', culprit
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION wallet_check_shards() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    culprit smallint;
BEGIN
    SELECT o.shard INTO culprit
    FROM old_shards o
    LEFT JOIN new_shards n ON n.shard = o.shard
    LEFT JOIN hour_closes c ON c.shard = o.shard AND c.hour = o.closed_through
    WHERE n.shard IS NULL
        OR n.first_hour <> o.first_hour
        OR n.closed_through <> o.closed_through + 1
        OR c.shard IS NULL
    LIMIT 1;
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION 'shard % closes hour after hour, each with its run row', culprit USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION wallet_check_hour_closes() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF EXISTS (
        SELECT FROM new_closes c JOIN shards s ON s.shard = c.shard WHERE c.hour <> s.closed_through
    ) THEN
        RAISE EXCEPTION 'an hour is closed out of order' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER usage_segments_open_right AFTER INSERT ON usage_segments
    REFERENCING NEW TABLE AS new_segments
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_check_opened_segments();
CREATE TRIGGER usage_segments_close_once AFTER UPDATE ON usage_segments
    REFERENCING OLD TABLE AS old_segments NEW TABLE AS new_segments
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_check_closed_segments();
CREATE TRIGGER usage_segments_refuse_removal BEFORE DELETE OR TRUNCATE ON usage_segments
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();
CREATE TRIGGER shards_close_in_order AFTER UPDATE ON shards
    REFERENCING OLD TABLE AS old_shards NEW TABLE AS new_shards
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_check_shards();
CREATE TRIGGER shards_refuse_removal BEFORE DELETE OR TRUNCATE ON shards
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();
CREATE TRIGGER hour_closes_in_order AFTER INSERT ON hour_closes
    REFERENCING NEW TABLE AS new_closes
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_check_hour_closes();
CREATE TRIGGER hour_closes_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON hour_closes
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();
CREATE TRIGGER top_ups_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON top_ups
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();
CREATE TRIGGER tariff_versions_begin_later AFTER INSERT ON tariff_versions
    REFERENCING NEW TABLE AS new_versions
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_check_tariff_versions();
CREATE TRIGGER tariff_versions_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON tariff_versions
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();
CREATE TRIGGER storage_steps_begin_later AFTER INSERT ON storage_steps
    REFERENCING NEW TABLE AS told
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_check_storage_steps();
CREATE TRIGGER storage_steps_stay_once_begun AFTER DELETE ON storage_steps
    REFERENCING OLD TABLE AS told
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_check_storage_steps();
CREATE TRIGGER storage_steps_refuse_change BEFORE UPDATE OR TRUNCATE ON storage_steps
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();
CREATE TRIGGER wallets_refuse_removal BEFORE DELETE OR TRUNCATE ON wallets
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();

COMMENT ON TABLE shards IS 'closed_through is the first hour (epoch / 3600) that is not closed; first_hour is where the shard began.';
COMMENT ON TABLE usage_segments IS 'A resource was used in [from_at, until_at) at one price, that of its tariff and storage at from_at; carry is in 1/3600 micro-units. Closed once, never changed.';
COMMENT ON TABLE tariff_versions IS 'What a tariff costs from an hour boundary on; only its first version may begin in an hour that has begun.';
COMMENT ON TABLE tariff_reckonings IS 'Shards whose wallets were not all looked at for a price to come; a row goes once they were.';
COMMENT ON TABLE storage_steps IS 'Steps of 64 MiB that a resource stores from an hour boundary on; stays as it is once that hour has begun.';
COMMENT ON TABLE wallet_depletions IS 'The last second that each burning wallet can pay through, or that its monthly cap lets it, capped at 2100-01-01.';
COMMENT ON TABLE wallet_quarantines IS 'Wallets that hour closes leave out from an hour (epoch / 3600) on, because their books would have broken.';
COMMENT ON TABLE hour_closes IS 'One row a shard and closed hour; what it charged is the transfer it names, and depletions counts the ends in it, for the money or the monthly cap, that were posted.';

GRANT USAGE ON wallet_places TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE (last_event_at) ON wallets TO syneudp_runtime;
GRANT SELECT, UPDATE (closed_through) ON shards TO syneudp_runtime;
GRANT SELECT, INSERT ON tariff_versions TO syneudp_runtime;
GRANT SELECT, INSERT, DELETE ON tariff_reckonings, storage_steps TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE (until_at) ON usage_segments TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON wallet_depletions TO syneudp_runtime;
GRANT SELECT, INSERT, DELETE ON wallet_quarantines TO syneudp_runtime;
GRANT SELECT, INSERT ON top_ups, hour_closes TO syneudp_runtime;
