"""Attribution methods, one file each: `attribute(model, clips, targets, *, ratios=None, seed=0, **options)`."""
