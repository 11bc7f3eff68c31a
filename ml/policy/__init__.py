"""Policies that choose among a few arms from logged choices, and what a log says about a policy before it runs."""
