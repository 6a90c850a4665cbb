"""stepaudit: what video classifiers look at, and how little they need, over whole data sets."""

__version__ = "0.1.0"
