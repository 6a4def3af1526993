#!/usr/bin/env bash
# Spark 4.3.0, ANSI mode: (0 * w) * (5 * w) raises ARITHMETIC_OVERFLOW, though every product that is written is 0 or in range.
#
# A good engineer expects 0: ANSI mode promises an error where an operation overflows, and none of the three does.
# What happens: an optimiser rule moves the constants together and multiplies w by w, which overflows. The same statement over a
# literal, and the same one with the rule left out, gives 0.
# Why it matters: a weight of 0 times a large identifier or a timestamp in microseconds, squared for a variance, ends a whole
# job at the rows where the product is 0. Which spelling fails depends on the optimiser, not on the values.
# The right value: 0. Leaving out ReorderAssociativeOperator (spark.sql.optimizer.excludedRules) gives it.
# Needs Java 17.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v java >/dev/null || { echo "needs Java"; exit 2; }
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check pyspark==4.3.0
cd "$work"
"$work/venv/bin/python" - 2>/dev/null <<'PY'
from pyspark.errors import ArithmeticException
from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.ansi.enabled", "true")
    .getOrCreate()
)
print("Spark", spark.version)
spark.sql("SELECT CAST(2199023255552 AS BIGINT) AS w").write.parquet("rows")
spark.read.parquet("rows").createOrReplaceTempView("stays")
RULE = "org.apache.spark.sql.catalyst.optimizer.ReorderAssociativeOperator"
STATEMENT = "SELECT (0 * w) * (5 * w) FROM stays"


def seen(statement):
    try:
        return spark.sql(statement).collect()[0][0]
    except ArithmeticException as error:
        return error.getCondition()


with_rule = seen(STATEMENT)
literal = seen("SELECT (0 * CAST(2199023255552 AS BIGINT)) * (5 * CAST(2199023255552 AS BIGINT))")
spark.conf.set("spark.sql.optimizer.excludedRules", RULE)
without = seen(STATEMENT)
print("w = 2^41, (0 * w) * (5 * w):", with_rule, " over a literal:", literal, " without the rule:", without)
spark.stop()
assert with_rule == "ARITHMETIC_OVERFLOW", with_rule
assert (literal, without) == (0, 0), (literal, without)
print("as stated: a product that is 0 overflows")
PY
