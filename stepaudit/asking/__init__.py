"""`stepaudit sql`: the audit's database, asked by a person."""
