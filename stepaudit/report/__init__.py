"""From tables to what people read: SQL files, database, statistics, page, charts, pictures, results."""
