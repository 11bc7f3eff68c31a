"""Segments of a shop with a million customers: preview, refresh, pages, exports."""
