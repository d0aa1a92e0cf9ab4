CREATE TABLE plans (
    id uuid PRIMARY KEY,
    slug text NOT NULL,
    engine text NOT NULL,
    name text NOT NULL,
    position integer NOT NULL,
    max_connections integer NOT NULL,
    temp_bytes bigint NOT NULL,
    storage_limit_bytes bigint NOT NULL,
    statement_seconds integer NOT NULL,
    idle_transaction_seconds integer NOT NULL,
    memory_bytes bigint NOT NULL,
    CONSTRAINT plans_slug_unique UNIQUE (slug),
    CONSTRAINT plans_slug_form CHECK (slug ~ '^[a-z][a-z0-9-]{1,62}$'),
    CONSTRAINT plans_engine_known CHECK (engine IN ('postgresql', 'mysql')),
    CONSTRAINT plans_max_connections_positive CHECK (max_connections > 0),
    CONSTRAINT plans_temp_bytes_positive CHECK (temp_bytes > 0),
    CONSTRAINT plans_storage_limit_positive CHECK (storage_limit_bytes > 0),
    CONSTRAINT plans_seconds_range CHECK (
        statement_seconds BETWEEN 0 AND 604800 AND idle_transaction_seconds BETWEEN 0 AND 604800
    ),
    CONSTRAINT plans_memory_range CHECK (memory_bytes BETWEEN 0 AND 1099511627776)
);

CREATE TABLE plan_prices (
    id uuid PRIMARY KEY,
    plan_id uuid NOT NULL,
    begins_at bigint NOT NULL,
    currency text NOT NULL,
    price_micros_per_hour bigint NOT NULL,
    storage_price_micros_per_gib_hour bigint NOT NULL,
    CONSTRAINT plan_prices_plan_known FOREIGN KEY (plan_id) REFERENCES plans (id),
    CONSTRAINT plan_prices_one_a_beginning UNIQUE (plan_id, begins_at),
    CONSTRAINT plan_prices_begin_on_the_hour CHECK (begins_at >= 0 AND begins_at % 3600 = 0),
    CONSTRAINT plan_prices_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT plan_prices_price_range CHECK (price_micros_per_hour BETWEEN 0 AND 1000000000),
    CONSTRAINT plan_prices_storage_price_range CHECK (storage_price_micros_per_gib_hour BETWEEN 0 AND 1000000000)
);

CREATE FUNCTION catalog_check_prices() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    culprit text;
BEGIN
    SELECT n.plan_id::text || ' from ' || n.begins_at INTO culprit
    FROM new_prices n
    WHERE n.begins_at <= floor(extract(epoch FROM clock_timestamp()))::bigint
        AND EXISTS (SELECT FROM plan_prices v WHERE v.plan_id = n.plan_id AND v.begins_at <> n.begins_at)
    LIMIT 1;
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION 'a price of plan % begins in an hour that has begun', culprit USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER plan_prices_begin_later AFTER INSERT ON plan_prices
    REFERENCING NEW TABLE AS new_prices
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_check_prices();

CREATE TABLE hosts (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    engine text NOT NULL,
    agent_url text NOT NULL,
    state text NOT NULL DEFAULT 'open',
    capacity_instances integer NOT NULL,
    capacity_bytes bigint,
    placed_instances integer NOT NULL DEFAULT 0,
    placed_bytes bigint NOT NULL DEFAULT 0,
    engine_version text NOT NULL DEFAULT '',
    asked_at bigint,
    unreachable_since bigint,
    created_at bigint NOT NULL,
    CONSTRAINT hosts_name_unique UNIQUE (name),
    CONSTRAINT hosts_name_form CHECK (name ~ '^[a-z0-9][a-z0-9.-]{0,62}$'),
    CONSTRAINT hosts_engine_known CHECK (engine IN ('postgresql', 'mysql')),
    CONSTRAINT hosts_state_known CHECK (state IN ('open', 'draining', 'closed', 'quarantined')),
    CONSTRAINT hosts_capacity_positive CHECK (capacity_instances > 0 AND capacity_bytes > 0),
    CONSTRAINT hosts_placed_not_negative CHECK (placed_instances >= 0 AND placed_bytes >= 0),
    CONSTRAINT hosts_engine_version_length CHECK (char_length(engine_version) <= 100),
    CONSTRAINT hosts_unreachable_once_asked CHECK (unreachable_since BETWEEN 0 AND asked_at)
);

CREATE TABLE host_quarantines (
    id uuid PRIMARY KEY,
    host_id uuid NOT NULL,
    state_before text NOT NULL,
    reason text NOT NULL,
    began_at bigint NOT NULL,
    ended_at bigint,
    ended_by text,
    CONSTRAINT host_quarantines_host_known FOREIGN KEY (host_id) REFERENCES hosts (id),
    CONSTRAINT host_quarantines_state_before_known CHECK (state_before IN ('open', 'draining', 'closed')),
    CONSTRAINT host_quarantines_reason_length CHECK (char_length(reason) BETWEEN 1 AND 400),
    CONSTRAINT host_quarantines_end_is_whole CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CONSTRAINT host_quarantines_instants_in_order CHECK (began_at >= 0 AND ended_at >= began_at)
);

CREATE UNIQUE INDEX host_quarantines_one_open ON host_quarantines (host_id) WHERE ended_at IS NULL;
CREATE INDEX hosts_by_engine ON hosts (engine, id) WHERE state = 'open';

COMMENT ON TABLE plan_prices IS 'Price versions; the one with the latest beginning that has come holds. Prices in micro-units an hour.';
COMMENT ON COLUMN plans.statement_seconds IS 'How long one statement may run; 0 means unlimited, as it does for the idle transaction and the memory of a session.';
COMMENT ON COLUMN hosts.unreachable_since IS 'Since when agent or engine have not answered the billing role; null while they do. asked_at is when it last asked.';
COMMENT ON TABLE host_quarantines IS 'When a host was found restored from an older backup, and by whose word or which comparison that ended.';
COMMENT ON COLUMN hosts.capacity_bytes IS 'Bytes that may be promised to instances; null where instances alone are counted.';

GRANT SELECT, INSERT, UPDATE ON plans TO syneudp_runtime;
GRANT SELECT, INSERT ON plan_prices TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE ON hosts TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE (ended_at, ended_by) ON host_quarantines TO syneudp_runtime;
