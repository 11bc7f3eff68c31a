"""What sending costs: the hand-over, the decisions before it, and a month of both."""
