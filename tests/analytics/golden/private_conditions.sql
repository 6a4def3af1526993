-- private row
SELECT COUNT(*) FROM visits
WHERE k LIKE '%e%' AND k NOT IN ('red') AND age BETWEEN 40.5 AND 1e9 AND (b OR k LIKE 'z%') AND two IN (0, 7)
-- becomes
SELECT
  0 AS "group",
  COUNT(*) AS "f0"
FROM "visits"
WHERE ((((("k" IN (0, 1)) AND (NOT ("k" IN (0)))) AND (("age" >= 41) AND ("age" <= 121))) AND ("b" OR ("k" <> "k"))) AND ("two" IN (0, 2)))
