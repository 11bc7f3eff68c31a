"""Prediction: tables in, tables out."""
