CREATE TABLE webhook_endpoints (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL,
    url text NOT NULL,
    disabled_for text,
    disabled_at bigint,
    created_at bigint NOT NULL,
    CONSTRAINT webhook_endpoints_owner_known FOREIGN KEY (owner_id) REFERENCES users (id),
    CONSTRAINT webhook_endpoints_url_length CHECK (char_length(url) BETWEEN 1 AND 2000),
    CONSTRAINT webhook_endpoints_disabled_known CHECK (disabled_for IN ('failing', 'gone')),
    CONSTRAINT webhook_endpoints_disabled_is_whole CHECK ((disabled_for IS NULL) = (disabled_at IS NULL))
);

CREATE INDEX webhook_endpoints_by_owner ON webhook_endpoints (owner_id, id);

CREATE TABLE webhook_secrets (
    id uuid PRIMARY KEY,
    endpoint_id uuid NOT NULL,
    sealed bytea NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    CONSTRAINT webhook_secrets_endpoint_known FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoints (id)
);

CREATE UNIQUE INDEX webhook_secrets_one_lasting ON webhook_secrets (endpoint_id) WHERE expires_at IS NULL;
CREATE INDEX webhook_secrets_by_endpoint ON webhook_secrets (endpoint_id, id);

CREATE TABLE webhook_messages (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    body text NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT webhook_messages_kind_form CHECK (kind ~ '^[a-z][a-z0-9_.]{1,59}$'),
    CONSTRAINT webhook_messages_body_length CHECK (octet_length(body) BETWEEN 2 AND 20000)
);

CREATE INDEX webhook_messages_by_age ON webhook_messages (created_at);

CREATE TABLE webhook_deliveries (
    endpoint_id uuid NOT NULL,
    message_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'pending',
    attempts smallint NOT NULL DEFAULT 0,
    due_at bigint NOT NULL,
    lease_id uuid,
    leased_until bigint,
    status smallint,
    failure text,
    attempted_at bigint,
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (endpoint_id, message_id),
    CONSTRAINT webhook_deliveries_endpoint_known FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoints (id),
    CONSTRAINT webhook_deliveries_message_known FOREIGN KEY (message_id) REFERENCES webhook_messages (id),
    CONSTRAINT webhook_deliveries_state_known CHECK (state IN ('pending', 'delivered', 'failed')),
    CONSTRAINT webhook_deliveries_lease_is_whole CHECK ((lease_id IS NULL) = (leased_until IS NULL)),
    CONSTRAINT webhook_deliveries_attempts_not_negative CHECK (attempts >= 0)
) WITH (fillfactor = 70);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (due_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_by_message ON webhook_deliveries (message_id);

COMMENT ON TABLE webhook_endpoints IS 'Where a customer wants to be told; disabled after three days of failures or by 410 Gone.';
COMMENT ON TABLE webhook_secrets IS 'Sealed signing secrets: the lasting one and, while it is being rotated, the one before.';
COMMENT ON TABLE webhook_messages IS 'What is told, byte for byte the same at each attempt; kept for 30 days.';
COMMENT ON TABLE webhook_deliveries IS 'One row a message and endpoint; claimed with a lease, sent outside any transaction, recorded.';

GRANT SELECT, INSERT, UPDATE (disabled_for, disabled_at), DELETE ON webhook_endpoints TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE (expires_at), DELETE ON webhook_secrets TO syneudp_runtime;
GRANT SELECT, INSERT, DELETE ON webhook_messages TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_deliveries TO syneudp_runtime;
