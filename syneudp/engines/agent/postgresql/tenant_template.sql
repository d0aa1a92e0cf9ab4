SET LOCAL search_path = pg_catalog;

SET LOCAL allow_system_table_mods = on;

DO $build$
DECLARE
    shown record;
BEGIN
    EXECUTE format(
        'CREATE FUNCTION pg_catalog.syneudp_stat_get_activity(%s) RETURNS SETOF record'
        ' LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 100 SECURITY DEFINER SET search_path = pg_catalog AS %L',
        pg_get_function_arguments('pg_catalog.pg_stat_get_activity(integer)'::regprocedure),
        'SELECT * FROM pg_catalog.pg_stat_get_activity($1) AS seen'
        ' WHERE seen.usesysid = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user)'
        ' OR pg_catalog.pg_has_role(session_user, ''pg_read_all_stats'', ''USAGE'')'
    );
    FOR shown IN
        SELECT relname, replace(pg_get_viewdef(oid), 'pg_stat_get_activity(', 'syneudp_stat_get_activity(') AS body
        FROM pg_class
        WHERE relkind = 'v'
            AND relnamespace = 'pg_catalog'::regnamespace
            AND pg_get_viewdef(oid) LIKE '%pg_stat_get_activity(%'
    LOOP
        EXECUTE format('CREATE OR REPLACE VIEW pg_catalog.%I AS %s', shown.relname, shown.body);
    END LOOP;
END
$build$;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_activity(integer) FROM PUBLIC;

DELETE FROM pg_init_privs
WHERE classoid = 'pg_proc'::regclass
    AND objoid = 'pg_catalog.pg_stat_get_activity(integer)'::regprocedure;

INSERT INTO pg_init_privs (objoid, classoid, objsubid, privtype, initprivs)
SELECT oid, 'pg_proc'::regclass, 0, 'i', proacl
FROM pg_proc
WHERE oid = 'pg_catalog.pg_stat_get_activity(integer)'::regprocedure
