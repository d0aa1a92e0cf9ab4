SELECT known.User AS username, '' AS database_name
FROM mysql.global_priv AS known
LEFT JOIN syneudpagent.databases AS wanted
    ON CONVERT(wanted.username USING utf8mb3) COLLATE utf8mb3_bin = known.User AND wanted.instance_id IS NOT NULL
WHERE
    known.User REGEXP '^u[a-z2-7]{20}$'
    AND (
        COALESCE(JSON_VALUE(known.Priv, '$.access'), '0') <> '0'
        OR COALESCE(JSON_VALUE(known.Priv, '$.max_user_connections'), '0') <> wanted.max_connections
        OR COALESCE(JSON_VALUE(known.Priv, '$.max_statement_time'), '0') <> wanted.statement_seconds
        OR (@@have_ssl = 'YES' AND COALESCE(JSON_VALUE(known.Priv, '$.ssl_type'), '0') <> '1')
    )
UNION
SELECT User, Db
FROM mysql.db
WHERE User REGEXP '^u[a-z2-7]{20}$' AND (Db <> CONCAT('db', SUBSTRING(User, 2)) OR Grant_priv = 'Y')
UNION
SELECT User, Db
FROM mysql.tables_priv
WHERE User REGEXP '^u[a-z2-7]{20}$'
UNION
SELECT User, Db
FROM mysql.procs_priv
WHERE User REGEXP '^u[a-z2-7]{20}$' AND (Db <> CONCAT('db', SUBSTRING(User, 2)) OR FIND_IN_SET('Grant', Proc_priv) > 0)
