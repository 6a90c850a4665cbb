"""Pictures, figures and films of clips with their maps."""
