SELECT SUBSTRING_INDEX(NAME, '/', 1) AS database_name, CAST(SUM(FILE_SIZE) AS SIGNED) AS bytes
FROM information_schema.INNODB_TABLESPACES
WHERE NAME LIKE 'db%%/%%'
GROUP BY database_name
