"""The lake: a shop's history as Delta tables, read by DuckDB."""
