"""Local stand-ins for every outside service, for the demo and the tests.

A program of its own: it imports nothing of Encore, and Encore's production code never imports it.
"""
