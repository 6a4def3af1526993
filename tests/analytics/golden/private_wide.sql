-- private row
SELECT COUNT(temp * temp * temp * temp * temp * temp * temp * temp) FROM visits
-- becomes
SELECT
  0 AS "group",
  COUNT((((((((CAST("temp" AS HUGEINT) * CAST("temp" AS HUGEINT)) * CAST("temp" AS HUGEINT)) * CAST("temp" AS HUGEINT)) * CAST("temp" AS HUGEINT)) * CAST("temp" AS HUGEINT)) * CAST("temp" AS HUGEINT)) * CAST("temp" AS HUGEINT))) AS "f0"
FROM "visits"
