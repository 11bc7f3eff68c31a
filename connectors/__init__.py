"""Outside services, one module each; base.py is the contract."""
