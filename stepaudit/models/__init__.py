"""Model families, one file each: `build(classes, **options) -> nn.Module`."""
