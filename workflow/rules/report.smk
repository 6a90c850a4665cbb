# From tables to the report, and what of it `snakemake --report` shows.


report: "../report/workflow.rst"


# Those with a row for each clip are not among them: they would make the file large.
shown_tables = (
    *("accuracy", "min_ratio", "model_pairs", "preservation_curves", "spatial_pointing", "temporal_pointing"),
    *("mass_in_box", "method_gains", "evidence", "mask_survival", "faithfulness", "sanity_randomisation"),
    *("coverage", "failures"),
)


rule report:
    input:
        tables=stepaudit.audit.jobs.files_of(audit),
        questions=sorted(stepaudit.store.package_files.reports().glob("*.sql")),
        charts=sorted(stepaudit.store.package_files.reports().glob("charts/*.sql")),
        template=sorted(stepaudit.store.package_files.reports().glob("*.jinja")),
        styles_and_scripts=sorted(stepaudit.store.package_files.reports().glob("*.[cj]s*")),
    output:
        html=report(
            stepaudit.audit.audit_folder.page(audit.folder),
            caption="../report/page.rst",
            category="Report",
            labels={"what": "all findings, tables, charts and pictures"},
        ),
        tables=[
            report(
                stepaudit.audit.audit_folder.answer(audit.folder, question.name),
                caption="../report/table.rst",
                category="Tables",
                labels={"table": question.title.partition(":")[0], "in the paper": question.paper or "–"},
            )
            for question in stepaudit.report.sql_files.all_reports()
            if question.name in shown_tables
        ],
        database=audit.folder / stepaudit.store.database.FILE,
        checksums=stepaudit.audit.audit_folder.checksums(audit.folder),
    log:
        job("report").log,
    benchmark:
        job("report").benchmark
    resources:
        mem_mb=lambda wildcards, attempt: stepaudit.audit.resources.memory_mb(job("report"), attempt),
        runtime=lambda wildcards, attempt: stepaudit.audit.resources.minutes(job("report"), attempt),
    params:
        folder=audit.folder,
        decides=audit.hash,
    shell:
        "stepaudit report {params.folder:q} 2>&1 | tee {log:q}"
