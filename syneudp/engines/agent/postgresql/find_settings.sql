SELECT
    ARRAY(
        SELECT unnest(settings.setconfig)
        FROM pg_db_role_setting AS settings
        JOIN pg_roles AS role ON role.oid = settings.setrole
        WHERE settings.setdatabase = 0 AND role.rolname = $1
    ) AS everywhere,
    ARRAY(
        SELECT unnest(settings.setconfig)
        FROM pg_db_role_setting AS settings
        JOIN pg_roles AS role ON role.oid = settings.setrole
        JOIN pg_database AS found ON found.oid = settings.setdatabase
        WHERE role.rolname = $1 AND found.datname = $2
    ) AS inside
