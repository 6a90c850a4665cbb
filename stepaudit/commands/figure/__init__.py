"""`stepaudit figure`: one clip as a figure for a paper."""
