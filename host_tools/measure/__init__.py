"""Measurements behind `make bench`: each module offers measure() and DESCRIPTIONS."""
