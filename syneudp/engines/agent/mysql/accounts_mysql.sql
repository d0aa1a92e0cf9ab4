SELECT
    User AS username,
    account_locked = 'Y' AS locked,
    CONVERT(authentication_string USING utf8mb4) AS verifier,
    plugin,
    max_user_connections AS max_connections,
    ssl_type = 'ANY' AS tls,
    NULL AS statement_seconds,
    JSON_EXTRACT(User_attributes, '$.additional_password') IS NOT NULL AS has_previous,
    'Y' IN (
        Select_priv, Insert_priv, Update_priv, Delete_priv, Create_priv, Drop_priv, Reload_priv, Shutdown_priv,
        Process_priv, File_priv, Grant_priv, References_priv, Index_priv, Alter_priv, Show_db_priv, Super_priv,
        Create_tmp_table_priv, Lock_tables_priv, Execute_priv, Repl_slave_priv, Repl_client_priv, Create_view_priv,
        Show_view_priv, Create_routine_priv, Alter_routine_priv, Create_user_priv, Event_priv, Trigger_priv,
        Create_tablespace_priv, Create_role_priv, Drop_role_priv
    )
    OR EXISTS (SELECT 1 FROM mysql.global_grants AS given WHERE given.USER = known.User)
    OR EXISTS (SELECT 1 FROM mysql.role_edges AS given WHERE given.TO_USER = known.User)
    OR EXISTS (SELECT 1 FROM mysql.tables_priv AS given WHERE given.User = known.User)
    OR EXISTS (
        SELECT 1 FROM mysql.procs_priv AS given
        WHERE given.User = known.User AND given.Db <> CONCAT('db', SUBSTRING(known.User, 2))
    ) AS reaches_beyond
FROM mysql.user AS known
WHERE Host = '%%' AND User IN %(names)s
