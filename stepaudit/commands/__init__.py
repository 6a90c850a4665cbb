"""Commands that people type, one file or folder each; files that begin with `_` serve all of them."""
