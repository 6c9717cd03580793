"""Measurements behind `make bench`: what each module offers is the ``Part`` of report.py."""
