"""HTTP: one thin blueprint per noun, session-token auth, OpenAPI."""
