CREATE TABLE usage_samplings (
    host_id uuid PRIMARY KEY,
    claimed_at bigint NOT NULL,
    CONSTRAINT usage_samplings_host_known FOREIGN KEY (host_id) REFERENCES hosts (id),
    CONSTRAINT usage_samplings_claimed_not_negative CHECK (claimed_at >= 0)
) WITH (fillfactor = 50);

CREATE TABLE usage_counts (
    instance_id uuid PRIMARY KEY,
    minute_at bigint NOT NULL,
    transactions_counted bigint NOT NULL,
    transactions bigint NOT NULL,
    CONSTRAINT usage_counts_instance_known FOREIGN KEY (instance_id) REFERENCES instances (id),
    CONSTRAINT usage_counts_on_the_minute CHECK (minute_at >= 0 AND minute_at % 60 = 0),
    CONSTRAINT usage_counts_not_negative CHECK (transactions_counted >= 0 AND transactions >= 0)
) WITH (fillfactor = 70);

CREATE TABLE usage_minutes (
    instance_id uuid NOT NULL,
    minute_at bigint NOT NULL,
    storage_bytes bigint NOT NULL,
    connections integer NOT NULL,
    transactions bigint NOT NULL,
    CONSTRAINT usage_minutes_pkey PRIMARY KEY (instance_id, minute_at),
    CONSTRAINT usage_minutes_on_the_minute CHECK (minute_at >= 0 AND minute_at % 60 = 0),
    CONSTRAINT usage_minutes_not_negative CHECK (storage_bytes >= 0 AND connections >= 0 AND transactions >= 0)
);

CREATE INDEX usage_minutes_by_time ON usage_minutes USING brin (minute_at) WITH (pages_per_range = 16);

CREATE TABLE usage_hours (
    instance_id uuid NOT NULL,
    hour_at bigint NOT NULL,
    samples integer NOT NULL,
    storage_bytes_sum numeric NOT NULL,
    storage_bytes_max bigint NOT NULL,
    connections_sum bigint NOT NULL,
    connections_max integer NOT NULL,
    transactions bigint NOT NULL,
    CONSTRAINT usage_hours_pkey PRIMARY KEY (instance_id, hour_at),
    CONSTRAINT usage_hours_on_the_hour CHECK (hour_at >= 0 AND hour_at % 3600 = 0),
    CONSTRAINT usage_hours_has_samples CHECK (samples > 0),
    CONSTRAINT usage_hours_not_negative CHECK (
        storage_bytes_sum >= 0 AND storage_bytes_max >= 0 AND connections_sum >= 0 AND connections_max >= 0
        AND transactions >= 0
    )
);

CREATE INDEX usage_hours_by_time ON usage_hours USING brin (hour_at) WITH (pages_per_range = 16);

COMMENT ON TABLE usage_samplings IS 'When a host was last taken to be measured; who writes it measures.';
COMMENT ON TABLE usage_counts IS 'The engine''s running count of transactions at the latest sample, and how many came since the one before.';
COMMENT ON TABLE usage_minutes IS 'What an instance used, one row a minute, for a day. transactions: since the sample before.';
COMMENT ON TABLE usage_hours IS 'Minutes over a day old, an hour in one row, for thirteen months. Sums over samples, so that hours merge exactly.';

GRANT SELECT, INSERT, UPDATE ON usage_samplings TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE ON usage_counts TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON usage_minutes TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON usage_hours TO syneudp_runtime;
