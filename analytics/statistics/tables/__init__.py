"""Statistics of tables of counts."""
