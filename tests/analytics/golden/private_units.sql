-- private unit
SELECT k, COUNT(DISTINCT pid) AS patients FROM visits GROUP BY k
-- becomes
SELECT
  CASE WHEN (CAST("k" AS BIGINT) IS NULL) THEN CAST(2 AS BIGINT) ELSE CAST("k" AS BIGINT) END AS "group",
  COUNT(DISTINCT "#unit") AS "f0"
FROM "visits"
GROUP BY 1
