"""Prediction quality against public baselines."""
