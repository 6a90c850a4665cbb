include: "workflow/Snakefile"


workflow.default_target = "all"  # an included rule is no default target: without this line nothing would run
