"""Pictures, figures and videos of clips with their maps."""
