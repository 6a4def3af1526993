"""SQL: from the text of a question to a bound tree that holds none of the text.

Modules:     text (tokens and positions), parse (one SELECT, allowed clauses), expressions (integer trees), numeric
             (grid arithmetic), scalars (columns, arithmetic, CASE, conditions), query (the bound question), functions
             (aggregates by SQL name), bind (the whole SELECT, given the aggregates), render (integer trees to the words
             of each database). ``plans.question`` binds with the aggregates of this version.
"""
