CREATE TABLE billing_rounds (
    loop text PRIMARY KEY,
    finished_at bigint NOT NULL,
    CONSTRAINT billing_rounds_loop_form CHECK (loop ~ '^[a-z][a-z_]{1,39}$'),
    CONSTRAINT billing_rounds_finished_not_negative CHECK (finished_at >= 0)
) WITH (fillfactor = 50);

COMMENT ON TABLE billing_rounds IS 'When each loop of the billing role last came to its end without a failure, in whichever process.';

GRANT SELECT, INSERT, UPDATE ON billing_rounds TO syneudp_runtime;
