CREATE TABLE IF NOT EXISTS syneudpagent.databases (
    instance_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL UNIQUE,
    database_name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    username VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE,
    state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    made BOOLEAN NOT NULL,
    accepted_generation BIGINT NOT NULL,
    applied_generation BIGINT NOT NULL,
    credential_version BIGINT NOT NULL,
    applied_credential_version BIGINT NOT NULL,
    verifier VARCHAR(256) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    max_connections INT NOT NULL,
    temp_bytes BIGINT NOT NULL,
    statement_seconds INT NOT NULL DEFAULT 0,
    idle_transaction_seconds INT NOT NULL DEFAULT 0,
    memory_bytes BIGINT NOT NULL DEFAULT 0,
    may_grow BOOLEAN NOT NULL DEFAULT TRUE,
    shape CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    previous_until BIGINT NULL,
    changed_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
    CONSTRAINT databases_known_state CHECK (state IN ('spare', 'running', 'suspended', 'terminated')),
    CONSTRAINT databases_spare_is_nobodys CHECK ((state = 'spare') = (instance_id IS NULL)),
    CONSTRAINT databases_applied_was_accepted CHECK (applied_generation <= accepted_generation),
    KEY databases_by_change (changed_at),
    KEY databases_by_previous_until (previous_until)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS syneudpagent.prepared_transactions (
    format_id BIGINT NOT NULL,
    global_part VARBINARY(64) NOT NULL,
    branch VARBINARY(64) NOT NULL,
    username VARCHAR(96) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (format_id, global_part, branch)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS syneudpagent.lock_names (
    one TINYINT NOT NULL PRIMARY KEY,
    salt CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    CONSTRAINT lock_names_one_row CHECK (one = 1)
) ENGINE = InnoDB;

INSERT IGNORE INTO syneudpagent.lock_names (one, salt) VALUES (1, %(salt)s);

CREATE PROCEDURE IF NOT EXISTS syneudpagent.end_connections(IN listed MEDIUMTEXT CHARACTER SET ascii)
SQL SECURITY INVOKER
BEGIN
    DECLARE CONTINUE HANDLER FOR 1094 BEGIN END;
    WHILE listed <> '' DO
        KILL CONNECTION CAST(SUBSTRING_INDEX(listed, ',', 1) AS UNSIGNED);
        SET listed = SUBSTRING(listed, CHAR_LENGTH(SUBSTRING_INDEX(listed, ',', 1)) + 2);
    END WHILE;
END
