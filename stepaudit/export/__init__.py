"""What of an audit goes into other programs: rows as CSV, JSON, LaTeX or Parquet, maps as NumPy arrays or videos."""
