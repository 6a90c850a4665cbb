"""Data sets, one file each: `read(root, **options) -> (segments, boxes)`."""
