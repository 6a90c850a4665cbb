"""The command `stepaudit explain`: what is asked for, what is done, what is told of it, and the files."""
