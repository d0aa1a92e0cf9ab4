SELECT SCHEMA_NAME AS name
FROM information_schema.SCHEMATA
WHERE SCHEMA_NAME LIKE 'db%'
    AND CONVERT(SCHEMA_NAME USING ascii) COLLATE ascii_bin NOT IN (SELECT database_name FROM syneudpagent.databases)
ORDER BY SCHEMA_NAME
