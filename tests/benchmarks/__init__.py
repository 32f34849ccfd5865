"""Measurements with a named peer or promise each; `make bench` prints them as one table."""
