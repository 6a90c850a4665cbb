"""Estimates, intervals, tests and reliability, computed once for all reports."""
