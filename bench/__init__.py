"""Ratios within one run against named references; never a timed test."""
