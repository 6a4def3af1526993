-- private row
SELECT COUNT(*), AVG(temp), VAR_SAMP(temp) FROM visits
-- becomes
SELECT
  0 AS "group",
  COUNT(*) AS "f0",
  COUNT("temp") AS "f1",
  COALESCE(SUM("temp" - 375), 0) AS "f2",
  COALESCE(SUM(("temp" - 375) * ("temp" - 375) - 2812), 0) AS "f3"
FROM "visits"
