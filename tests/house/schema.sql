SELECT line FROM (
    SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS line
    FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND conparentid = 0
    UNION ALL
    SELECT format('domain %s %s %s', contypid::regtype, conname, pg_get_constraintdef(oid))
    FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contypid <> 0
    UNION ALL
    SELECT format('trigger %s', replace(pg_get_triggerdef(t.oid), 'public.', ''))
    FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace AND t.tgparentid = 0
    UNION ALL
    SELECT format('index %s', replace(i.indexdef, 'public.', ''))
    FROM pg_indexes i
    JOIN pg_class c ON c.oid = format('public.%I', i.indexname)::regclass
    WHERE i.schemaname = 'public'
        AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = c.oid)
        AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u'))
    UNION ALL
    SELECT format('grant %s %s', c.relname, g.privilege_type)
    FROM pg_class c
    CROSS JOIN LATERAL aclexplode(c.relacl) g
    WHERE c.relnamespace = 'public'::regnamespace AND g.grantee = 'syneudp_runtime'::regrole
    UNION ALL
    SELECT format('grant %s (%s) %s', c.relname, a.attname, g.privilege_type)
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    CROSS JOIN LATERAL aclexplode(a.attacl) g
    WHERE c.relnamespace = 'public'::regnamespace AND g.grantee = 'syneudp_runtime'::regrole
    UNION ALL
    SELECT format('function %s definer=%s runtime=%s', p.oid::regprocedure, p.prosecdef,
        has_function_privilege('syneudp_runtime', p.oid, 'EXECUTE'))
    FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace
) told
WHERE line !~ 'entries_\d{4}_\d{2}'
ORDER BY line COLLATE "C"
