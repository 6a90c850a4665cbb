# From tables to the report.


rule report:
    input:
        scores=audit.all_shards("scores", audit.methods),
        preservation=audit.all_shards("preservation", audit.preserve.methods),
        questions=sorted(stepaudit.reports.folder().glob("*.sql")),
        template=stepaudit.reports.folder() / "report.html.jinja",
    output:
        html=audit.folder / "report" / "index.html",
        database=audit.folder / "audit.duckdb",
    log:
        audit.log("report"),
    benchmark:
        audit.benchmark("report")
    resources:
        mem_mb=lambda wildcards, attempt: stepaudit.resources.memory_mb(audit, "report", attempt, **wildcards),
        runtime=lambda wildcards, attempt: stepaudit.resources.minutes(audit, "report", attempt, **wildcards),
    params:
        folder=audit.folder,
        decides=audit.hash,
    shell:
        "stepaudit report {params.folder:q} 2>&1 | tee {log:q}"
