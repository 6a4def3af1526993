"""One mapping a site: from the columns, units, codes and dates of its own tables to the consortium's schema.

Modules:     mapping (the file's keys), reading (all mistakes at once, with their lines), code_files (code maps, hierarchies),
             unit_codes (UCUM, exact), analytes (mass and amount of each), conversions (exact SQL), cells_sql and columns (one
             cell, one column), expressions (derived columns), row_steps (duplicates, ranges, missing values, scales), table_steps
             (joins, roll-ups), compiling (a mapping's steps), explaining (its one SELECT), constants (what sites agree on).
Packages:    omop (mappings of OMOP CDM databases).
"""
