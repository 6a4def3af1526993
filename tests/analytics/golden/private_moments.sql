-- private row
SELECT COUNT(*), AVG(temp), VAR_SAMP(temp) FROM visits
-- becomes
SELECT
  CAST(0 AS BIGINT) AS "group",
  COUNT(*) AS "f0",
  COUNT(CAST("temp" AS BIGINT)) AS "f1",
  COALESCE(SUM(TRY((CAST("temp" AS BIGINT) - CAST(375 AS BIGINT)))), 0) AS "f2",
  COALESCE(SUM(TRY((((CAST("temp" AS BIGINT) - CAST(375 AS BIGINT)) * (CAST("temp" AS BIGINT) - CAST(375 AS BIGINT))) - CAST(3515 AS BIGINT)))), 0) AS "f3"
FROM "visits"
