"""`stepaudit export`: rows as CSV, JSON, LaTeX or Parquet, maps as NumPy arrays or videos."""
