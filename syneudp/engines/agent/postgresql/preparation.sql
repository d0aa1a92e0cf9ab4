SELECT
    current_setting('server_version_num')::integer AS version_number,
    current_setting('server_version') AS version,
    current_setting('ssl')::boolean AS tls,
    current_setting('max_prepared_transactions')::integer AS max_prepared_transactions,
    me.rolsuper OR me.rolreplication OR me.rolbypassrls AS has_too_much,
    me.rolcreatedb AS may_create_databases,
    me.rolcreaterole AS may_create_roles,
    pg_has_role(me.oid, 'pg_signal_backend', 'USAGE') AS may_signal,
    pg_has_role(me.oid, 'pg_read_all_stats', 'USAGE') AS may_read_stats,
    has_parameter_privilege(me.oid, 'temp_file_limit', 'SET') AS may_limit_temp_files,
    ours.datdba = me.oid AS owns_registry,
    pg_encoding_to_char(pattern.encoding) = 'UTF8' AS is_utf8,
    EXISTS (
        SELECT FROM pg_database AS copied
        WHERE copied.datname = $1 AND copied.datistemplate AND NOT copied.datallowconn
    ) AS has_template,
    coalesce(
        has_function_privilege(to_regprocedure('prepared.keeps_verifier(text, text)'), 'EXECUTE'), false
    ) AS may_compare_verifiers,
    ARRAY(
        SELECT open.datname::text
        FROM pg_database AS open, aclexplode(coalesce(open.datacl, acldefault('d', open.datdba))) AS granted
        WHERE granted.grantee = 0
            AND granted.privilege_type = 'CONNECT'
            AND open.datname IN ('postgres', 'template1', current_database())
        ORDER BY 1
    ) AS open_databases
FROM pg_roles AS me
CROSS JOIN pg_database AS ours
CROSS JOIN pg_database AS pattern
WHERE me.rolname = current_user
    AND ours.datname = current_database()
    AND pattern.datname = 'template0'
