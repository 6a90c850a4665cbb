"""The stages of an audit: each reads tables, calls the core and writes one table."""
