"""Database servers: how a node reaches one, and what stands there.

Modules:     view_text (a view inside another statement, the place of a word), addresses (what is wrong with one), access
             (address, password; a session of PostgreSQL), found (a table or view, its columns and their types), relation
             (those of PostgreSQL); spark_session, spark_relation and spark_faults (the same of Spark);
             sqlalchemy_session (any database that SQLAlchemy reaches);
             catalogue, catalogue_column and sqlalchemy_catalogue (what a database says of columns, for a first schema).
"""
