-- private row
SELECT COUNT(temp * temp * temp * temp * temp * temp * temp * temp) FROM visits
-- becomes
SELECT
  CAST(0 AS BIGINT) AS "group",
  COUNT(TRY((((((((CAST("temp" AS HUGEINT) * CAST("temp" AS HUGEINT)) * CAST("temp" AS HUGEINT)) * CAST("temp" AS HUGEINT)) * CAST("temp" AS HUGEINT)) * CAST("temp" AS HUGEINT)) * CAST("temp" AS HUGEINT)) * CAST("temp" AS HUGEINT)))) AS "f0"
FROM "visits"
