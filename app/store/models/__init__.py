"""SQLAlchemy models, one module per noun."""
