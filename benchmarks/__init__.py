"""One folder per claim; `make bench` prints what holds."""
