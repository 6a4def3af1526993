-- exact unit
SELECT AVG(temp) FROM visits WHERE k = 'red'
-- becomes
SELECT
  0 AS "group",
  COUNT("temp") FILTER (WHERE ("k" IN (0))) AS "f0",
  COALESCE(SUM("temp") FILTER (WHERE ("k" IN (0))), 0) AS "f1",
  COUNT(DISTINCT "#unit") FILTER (WHERE ("k" IN (0)) AND "temp" IS NOT NULL) AS "f2",
  COUNT(DISTINCT "#unit") FILTER (WHERE ("k" IN (0)) IS NOT TRUE AND "temp" IS NOT NULL) AS "f3"
FROM "visits"
