"""SQL: from the text of a question to a bound tree that holds none of the text.

Modules:     text (tokens and positions), parse (one SELECT, allowed clauses), expressions (integer trees), numeric
             (grid arithmetic), scalars (columns, arithmetic, CASE, conditions), query (the bound question), bind (the
             whole SELECT), render (integer trees to the local dialect).
"""

from analytics.sql.bind import bind
from analytics.sql.query import BoundQuery

__all__ = ["BoundQuery", "bind"]
