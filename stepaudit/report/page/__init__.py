"""The HTML report: findings, tables, gallery."""
