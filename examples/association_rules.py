"""Which findings go together, over all hospitals; counts below the threshold never leave shares."""

from hospitals import open_session

ITEMS = ["sex=M", "age>=60", "cp=asymptomatic", "chol>=240", "exang", "oldpeak>=1", "disease"]

with open_session() as session:
    found = session.table("patients").association_rules(
        ITEMS, min_support=0.2, min_confidence=0.7, exact=True, purpose="example"
    )
    print(found.itemsets.sort_values("support", ascending=False).head())
    print(found.rules[["antecedents", "consequents", "confidence", "lift"]].head())
