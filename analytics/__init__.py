"""Analytics: from an SQL question or mining request to a plan, local integers, and the answer.

Layer:       analytics; may import smpc and privacy_accounting, never federation.
Modules:     errors; pictures (of answers); schema (what is public about the data); sql (parse, bind, refuse);
             cubes (marginals of a table, their fit); statistics (formulas, blocks); plans (what every site derives
             again); sources (each site's clean table and its one scan); harmonise (a site's mapping to the schema);
             quality (checks of a site's own rows);
             results (opened integers to an answer); accuracy (from a stated accuracy to its epsilon); mining
             (association rules on shares); linkage (patients of two sites); disclosure (site noise, minimum cell, release).
Guarantees:  the local statement of a plan is built from the schema and the bound question, never from the user's
             text; errors carry no value of the data.
See instead: budgets (privacy_accounting), the network (federation).
"""
