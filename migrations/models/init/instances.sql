CREATE TABLE instances (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL,
    wallet_id uuid NOT NULL,
    name text NOT NULL,
    engine text NOT NULL,
    plan_id uuid NOT NULL,
    plan_slug text NOT NULL,
    max_connections integer NOT NULL,
    temp_bytes bigint NOT NULL,
    storage_limit_bytes bigint NOT NULL,
    statement_seconds integer NOT NULL,
    idle_transaction_seconds integer NOT NULL,
    memory_bytes bigint NOT NULL,
    host_id uuid NOT NULL,
    placed boolean NOT NULL DEFAULT true,
    terminated_for text,
    generation bigint NOT NULL DEFAULT 1,
    state_generation bigint NOT NULL DEFAULT 1,
    credential_version integer NOT NULL DEFAULT 1,
    applied_generation bigint NOT NULL DEFAULT 0,
    observed_state text,
    applied_credential_version integer NOT NULL DEFAULT 0,
    refused_code text,
    difference text,
    endpoint_host text,
    endpoint_port integer,
    endpoint_tls boolean,
    database_name text,
    username text,
    storage_bytes bigint NOT NULL DEFAULT 0,
    storage_measured boolean NOT NULL DEFAULT false,
    storage_rung text NOT NULL DEFAULT 'clear',
    storage_curb_at bigint,
    storage_ceiling_bytes bigint,
    storage_room_at bigint,
    may_grow boolean NOT NULL DEFAULT true,
    created_at bigint NOT NULL,
    ready_at bigint,
    last_event_at bigint NOT NULL,
    CONSTRAINT instances_owner_known FOREIGN KEY (owner_id) REFERENCES users (id),
    CONSTRAINT instances_wallet_known FOREIGN KEY (wallet_id) REFERENCES wallets (id),
    CONSTRAINT instances_plan_known FOREIGN KEY (plan_id) REFERENCES plans (id),
    CONSTRAINT instances_host_known FOREIGN KEY (host_id) REFERENCES hosts (id),
    CONSTRAINT instances_name_form CHECK (char_length(name) BETWEEN 1 AND 63 AND name = btrim(name)),
    CONSTRAINT instances_engine_known CHECK (engine IN ('postgresql', 'mysql')),
    CONSTRAINT instances_limits_positive CHECK (max_connections > 0 AND temp_bytes > 0 AND storage_limit_bytes > 0),
    CONSTRAINT instances_session_limits_range CHECK (
        statement_seconds BETWEEN 0 AND 604800 AND idle_transaction_seconds BETWEEN 0 AND 604800
        AND memory_bytes BETWEEN 0 AND 1099511627776
    ),
    CONSTRAINT instances_difference_length CHECK (char_length(difference) <= 400),
    CONSTRAINT instances_removal_known CHECK (terminated_for IN ('owner', 'retention', 'refusal', 'withdrawal')),
    CONSTRAINT instances_generations_in_order CHECK (
        1 <= state_generation AND state_generation <= generation AND applied_generation BETWEEN 0 AND generation
    ),
    CONSTRAINT instances_credential_was_wanted CHECK (
        credential_version >= 1 AND applied_credential_version BETWEEN 0 AND credential_version
    ),
    CONSTRAINT instances_observed_known CHECK (observed_state IN ('running', 'suspended', 'terminated')),
    CONSTRAINT instances_observed_once_applied CHECK ((applied_generation = 0) = (observed_state IS NULL)),
    CONSTRAINT instances_connection_is_whole CHECK (
        num_nulls(endpoint_host, endpoint_port, endpoint_tls, database_name, username) IN (0, 5)
    ),
    CONSTRAINT instances_endpoint_port_range CHECK (endpoint_port BETWEEN 1 AND 65535),
    CONSTRAINT instances_ready_is_connected CHECK (ready_at IS NULL OR endpoint_host IS NOT NULL),
    CONSTRAINT instances_placement_kept_while_there CHECK (
        placed OR (terminated_for IS NOT NULL AND observed_state IS NOT DISTINCT FROM 'terminated')
    ),
    CONSTRAINT instances_storage_not_negative CHECK (storage_bytes >= 0),
    CONSTRAINT instances_storage_rung_known CHECK (storage_rung IN ('clear', 'near', 'full')),
    CONSTRAINT instances_storage_respite_is_whole CHECK (
        num_nulls(storage_curb_at, storage_ceiling_bytes) IN (0, 2)
        AND storage_curb_at >= 0 AND storage_ceiling_bytes >= 0 AND storage_room_at >= 0
    ),
    CONSTRAINT instances_storage_curbed_when_full CHECK (
        storage_rung = 'full' OR (may_grow AND storage_curb_at IS NULL)
    ),
    CONSTRAINT instances_instants_in_order CHECK (
        created_at >= 0 AND ready_at >= created_at AND last_event_at >= created_at
    )
) WITH (fillfactor = 70);

CREATE UNIQUE INDEX instances_live_name ON instances (owner_id, name) WHERE terminated_for IS NULL;
CREATE INDEX instances_by_owner ON instances (owner_id, id);
CREATE INDEX instances_live_by_wallet ON instances (wallet_id) WHERE terminated_for IS NULL;
CREATE INDEX instances_by_host ON instances (host_id, id);
CREATE INDEX instances_unmeasured ON instances (host_id) WHERE NOT storage_measured AND terminated_for IS NULL;

CREATE TABLE instance_holds (
    instance_id uuid NOT NULL,
    hold text NOT NULL,
    since_at bigint NOT NULL,
    warned smallint NOT NULL DEFAULT 0,
    CONSTRAINT instance_holds_pkey PRIMARY KEY (instance_id, hold),
    CONSTRAINT instance_holds_instance_known FOREIGN KEY (instance_id) REFERENCES instances (id),
    CONSTRAINT instance_holds_hold_known CHECK (
        hold IN ('owner', 'balance', 'cap', 'storage', 'operator', 'frozen')
    ),
    CONSTRAINT instance_holds_since_not_negative CHECK (since_at >= 0),
    CONSTRAINT instance_holds_warned_range CHECK (warned BETWEEN 0 AND 2)
);

CREATE INDEX instance_holds_for_balance ON instance_holds (since_at) WHERE hold = 'balance';
CREATE INDEX instance_holds_for_cap ON instance_holds (since_at) WHERE hold = 'cap';
CREATE INDEX instance_holds_to_warn ON instance_holds (warned, since_at) WHERE hold = 'balance';

CREATE TABLE instance_credentials (
    instance_id uuid NOT NULL,
    version integer NOT NULL,
    sealed bytea NOT NULL,
    confirmed boolean NOT NULL DEFAULT false,
    keep_previous_seconds integer NOT NULL DEFAULT 0,
    created_at bigint NOT NULL,
    CONSTRAINT instance_credentials_pkey PRIMARY KEY (instance_id, version),
    CONSTRAINT instance_credentials_instance_known FOREIGN KEY (instance_id) REFERENCES instances (id),
    CONSTRAINT instance_credentials_version_positive CHECK (version >= 1),
    CONSTRAINT instance_credentials_previous_range CHECK (keep_previous_seconds BETWEEN 0 AND 604800)
);

CREATE UNIQUE INDEX instance_credentials_one_confirmed ON instance_credentials (instance_id) WHERE confirmed;

CREATE TABLE instance_events (
    id uuid PRIMARY KEY,
    instance_id uuid NOT NULL,
    kind text NOT NULL,
    actor text NOT NULL,
    generation bigint NOT NULL,
    happened_at bigint NOT NULL,
    detail text NOT NULL DEFAULT '',
    CONSTRAINT instance_events_instance_known FOREIGN KEY (instance_id) REFERENCES instances (id),
    CONSTRAINT instance_events_kind_form CHECK (kind ~ '^[a-z][a-z_]{1,39}$'),
    CONSTRAINT instance_events_actor_known CHECK (actor IN ('owner', 'platform', 'operator')),
    CONSTRAINT instance_events_detail_length CHECK (char_length(detail) <= 400)
);

CREATE INDEX instance_events_by_instance ON instance_events (instance_id, id);

CREATE FUNCTION instances_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER instance_events_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON instance_events
    FOR EACH STATEMENT EXECUTE FUNCTION instances_refuse_change();

CREATE TABLE instance_outbox (
    instance_id uuid PRIMARY KEY,
    due_at bigint NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    lease_id uuid,
    leased_until bigint,
    CONSTRAINT instance_outbox_instance_known FOREIGN KEY (instance_id) REFERENCES instances (id),
    CONSTRAINT instance_outbox_attempts_not_negative CHECK (attempts >= 0),
    CONSTRAINT instance_outbox_lease_is_whole CHECK ((lease_id IS NULL) = (leased_until IS NULL))
) WITH (fillfactor = 50);

CREATE INDEX instance_outbox_due ON instance_outbox (due_at);

CREATE TABLE instance_recoveries (
    instance_id uuid PRIMARY KEY,
    host_id uuid NOT NULL,
    found text NOT NULL,
    generation bigint NOT NULL,
    held boolean NOT NULL,
    noticed_at bigint NOT NULL,
    accepted_by text,
    CONSTRAINT instance_recoveries_instance_known FOREIGN KEY (instance_id) REFERENCES instances (id),
    CONSTRAINT instance_recoveries_host_known FOREIGN KEY (host_id) REFERENCES hosts (id),
    CONSTRAINT instance_recoveries_found_known CHECK (found IN ('same', 'behind', 'back', 'missing')),
    CONSTRAINT instance_recoveries_missing_alone_is_held CHECK (found = 'missing' OR NOT held),
    CONSTRAINT instance_recoveries_missing_alone_is_accepted CHECK (found = 'missing' OR accepted_by IS NULL),
    CONSTRAINT instance_recoveries_range CHECK (generation >= 1 AND noticed_at >= 0)
);

CREATE INDEX instance_recoveries_by_host ON instance_recoveries (host_id, instance_id);

COMMENT ON TABLE instances IS 'Wanted: terminated_for, holds, generation, credential_version. Confirmed by the agent: observed_state and applied_*. A running segment is open exactly while running is wanted and confirmed at state_generation or later; a stored one may be while it is not.';
COMMENT ON COLUMN instances.difference IS 'How the engine differed from what is wanted when they were last compared; null where they agree. An event tells each change of it once.';
COMMENT ON TABLE instance_holds IS 'Reasons for which an instance must not run; it runs exactly while it has none.';
COMMENT ON TABLE instance_credentials IS 'Sealed passwords: the confirmed one and its pending successors; destroyed with the instance.';
COMMENT ON COLUMN instance_credentials.keep_previous_seconds IS 'How long the password before this one works beside it once this one is in force; on MySQL alone.';
COMMENT ON TABLE instance_events IS 'What happened to an instance. Append-only.';
COMMENT ON TABLE instance_outbox IS 'One row an instance whose wanted state the agent has not confirmed; what is sent is read at sending.';
COMMENT ON TABLE instance_recoveries IS 'What a host that was restored from an older backup had of each instance, and the generation that must be confirmed before it is trusted again.';

REVOKE ALL ON FUNCTION instances_refuse_change() FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE ON instances TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE (warned), DELETE ON instance_holds TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE (confirmed), DELETE ON instance_credentials TO syneudp_runtime;
GRANT SELECT, INSERT ON instance_events TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON instance_outbox TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON instance_recoveries TO syneudp_runtime;
