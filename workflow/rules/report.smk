# From tables to the report.


rule report:
    input:
        scores=audit.all_shards("scores", audit.methods),
        preservation=audit.all_shards("preservation", audit.preserve.methods),
        sql=audit.reports(),
    output:
        html=audit.folder / "report" / "index.html",
        database=audit.folder / "audit.duckdb",
    log:
        audit.log("report"),
    benchmark:
        audit.benchmark("report")
    params:
        settings=audit.hash,
    resources:
        mem_mb=4000,
        runtime=60,
    shell:
        "stepaudit report {audit.folder} 2> {log}"
