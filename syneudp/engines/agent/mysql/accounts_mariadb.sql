SELECT
    User AS username,
    COALESCE(JSON_VALUE(Priv, '$.account_locked'), '0') IN ('1', 'true') AS locked,
    COALESCE(JSON_VALUE(Priv, '$.authentication_string'), '') AS verifier,
    COALESCE(JSON_VALUE(Priv, '$.plugin'), '') AS plugin,
    CAST(COALESCE(JSON_VALUE(Priv, '$.max_user_connections'), '0') AS SIGNED) AS max_connections,
    COALESCE(JSON_VALUE(Priv, '$.ssl_type'), '0') = '1' AS tls,
    CAST(COALESCE(JSON_VALUE(Priv, '$.max_statement_time'), '0') AS DECIMAL(20, 6)) AS statement_seconds,
    FALSE AS has_previous,
    COALESCE(JSON_VALUE(Priv, '$.access'), '0') <> '0'
    OR EXISTS (SELECT 1 FROM mysql.roles_mapping AS given WHERE given.User = known.User)
    OR EXISTS (SELECT 1 FROM mysql.tables_priv AS given WHERE given.User = known.User)
    OR EXISTS (
        SELECT 1 FROM mysql.procs_priv AS given
        WHERE given.User = known.User AND given.Db <> CONCAT('db', SUBSTRING(known.User, 2))
    ) AS reaches_beyond
FROM mysql.global_priv AS known
WHERE Host = '%%' AND User IN %(names)s
