WITH asked AS MATERIALIZED (
    SELECT *
    FROM registry.instances AS kept
    WHERE kept.instance_id IS NOT NULL
        AND ($1::uuid IS NULL OR kept.instance_id = $1)
        AND ($2::uuid IS NULL OR kept.instance_id > $2)
    ORDER BY kept.instance_id
    LIMIT $3
),

connected AS MATERIALIZED (
    SELECT
        activity.usesysid,
        activity.datid
    FROM pg_stat_get_activity(NULL) AS activity
    WHERE (
            SELECT NOT role.rolsuper AND role.rolname <> current_user
            FROM pg_roles AS role
            WHERE role.oid = activity.usesysid
        )
)

SELECT
    kept.instance_id,
    kept.database_name,
    kept.username,
    kept.state,
    kept.accepted_generation,
    kept.applied_generation,
    kept.credential_version,
    kept.max_connections,
    kept.temp_bytes,
    kept.statement_seconds,
    kept.idle_transaction_seconds,
    kept.memory_bytes,
    kept.may_grow,
    found.oid IS NOT NULL AND found.datconnlimit <> -2 AS has_database,
    found.oid IS NOT NULL AS has_database_left,
    tenant.oid IS NOT NULL AS has_user,
    tenant.rolcanlogin AND found.datallowconn AS may_log_in,
    coalesce(found.datallowconn AND found.datconnlimit <> -2, false) AS is_open,
    tenant.rolconnlimit AS connection_limit,
    coalesce(everywhere.setconfig, '{}') AS everywhere,
    coalesce(inside.setconfig, '{}') AS inside,
    coalesce(
        tenant.rolsuper OR tenant.rolcreaterole OR tenant.rolcreatedb OR tenant.rolreplication OR tenant.rolbypassrls,
        false
    )
    OR coalesce((SELECT true FROM pg_auth_members AS membership WHERE membership.member = tenant.oid LIMIT 1), false)
    OR coalesce(
        (
            SELECT true
            FROM pg_auth_members AS membership
            JOIN pg_roles AS member ON member.oid = membership.member
            WHERE membership.roleid = tenant.oid AND NOT member.rolsuper AND member.rolname <> current_user
            LIMIT 1
        ),
        false
    ) AS has_powers,
    found.datdba = (SELECT me.oid FROM pg_roles AS me WHERE me.rolname = current_user) AS is_ours,
    kept.verifier = '' OR prepared.keeps_verifier(kept.username, kept.verifier) AS keeps_verifier,
    ARRAY(
        SELECT granted.privilege_type || CASE WHEN granted.is_grantable THEN '*' ELSE '' END
        FROM aclexplode(coalesce(found.datacl, acldefault('d', found.datdba))) AS granted
        WHERE granted.grantee = tenant.oid
        ORDER BY 1
    ) AS tenant_privileges,
    EXISTS (
        SELECT FROM aclexplode(coalesce(found.datacl, acldefault('d', found.datdba))) AS granted
        WHERE granted.grantee NOT IN (tenant.oid, found.datdba)
    ) AS open_to_others,
    (
        SELECT count(*)
        FROM connected
        WHERE connected.usesysid = tenant.oid OR connected.datid = found.oid
    ) AS sessions
FROM asked AS kept
LEFT JOIN pg_database AS found ON found.datname = kept.database_name
LEFT JOIN pg_roles AS tenant ON tenant.rolname = kept.username
LEFT JOIN pg_db_role_setting AS everywhere ON everywhere.setrole = tenant.oid AND everywhere.setdatabase = 0
LEFT JOIN pg_db_role_setting AS inside ON inside.setrole = tenant.oid AND inside.setdatabase = found.oid
ORDER BY kept.instance_id
