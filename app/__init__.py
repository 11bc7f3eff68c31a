"""Encore: the web application and everything that remembers."""

__version__ = "0.1.0"
