"""The report's page: findings, tables, pictures."""
