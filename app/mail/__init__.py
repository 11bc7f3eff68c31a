"""Composing and handing over e-mail."""
