"""Pure rules: no web framework, no database, no clock, no environment."""
