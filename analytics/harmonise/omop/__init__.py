"""Mappings of an OMOP CDM 5.4 database to a research table with one row a person.

Modules:     cdm (tables and columns of the CDM), keys (the mapping's keys), concept_sets, circe (cohort definitions of ATLAS),
             index_dates, person_columns, event_columns, value_columns (one column each), compiling (the steps), reading
             (all mistakes at once).
"""
