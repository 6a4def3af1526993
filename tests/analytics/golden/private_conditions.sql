-- private row
SELECT COUNT(*) FROM visits
WHERE k LIKE '%e%' AND k NOT IN ('red') AND age BETWEEN 40.5 AND 1e9 AND (b OR k LIKE 'z%') AND two IN (0, 7)
-- becomes
SELECT
  CAST(0 AS BIGINT) AS "group",
  COUNT(*) AS "f0"
FROM "visits"
WHERE (((((CAST("k" AS BIGINT) IN (0, 1)) AND (NOT (CAST("k" AS BIGINT) IN (0)))) AND ((CAST("age" AS BIGINT) >= CAST(41 AS BIGINT)) AND (CAST("age" AS BIGINT) <= CAST(121 AS BIGINT)))) AND (CAST("b" AS BOOLEAN) OR (CAST("k" AS BIGINT) <> CAST("k" AS BIGINT)))) AND (CAST("two" AS BIGINT) IN (0, 2)))
