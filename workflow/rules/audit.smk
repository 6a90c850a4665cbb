# From predictions to maps, minimum preservation ratios and scores.


rule attribute:
    input:
        unpack(lambda wildcards: job("attribute", **wildcards).reads),
        index=lambda wildcards: index(job("attribute", **wildcards)),
        code=lambda wildcards: job("attribute", **wildcards).sources,
    output:
        maps=job("attribute", **per_method).file("maps"),
    log:
        job("attribute", **per_method).log,
    benchmark:
        job("attribute", **per_method).benchmark
    resources:
        mem_mb=lambda wildcards, attempt: stepaudit.audit.resources.memory_mb(job("attribute", **wildcards), attempt),
        runtime=lambda wildcards, attempt: stepaudit.audit.resources.minutes(job("attribute", **wildcards), attempt),
        gpu=stepaudit.audit.resources.gpus(audit, "attribute"),
    params:
        config=settings,
        decides=lambda wildcards: stepaudit.audit.decides.settings(job("attribute", **wildcards)),
    shell:
        "stepaudit attribute {params.config:q} --dataset {wildcards.dataset} --model {wildcards.model}"
        " --method {wildcards.method} --shard {wildcards.shard} 2>&1 | tee {log:q}"


rule preserve:
    input:
        unpack(lambda wildcards: job("preserve", **wildcards).reads),
        index=lambda wildcards: index(job("preserve", **wildcards)),
        code=lambda wildcards: job("preserve", **wildcards).sources,
    output:
        preservation=job("preserve", **per_method).file("preservation"),
    log:
        job("preserve", **per_method).log,
    benchmark:
        job("preserve", **per_method).benchmark
    resources:
        mem_mb=lambda wildcards, attempt: stepaudit.audit.resources.memory_mb(job("preserve", **wildcards), attempt),
        runtime=lambda wildcards, attempt: stepaudit.audit.resources.minutes(job("preserve", **wildcards), attempt),
        gpu=stepaudit.audit.resources.gpus(audit, "preserve"),
    params:
        config=settings,
        decides=lambda wildcards: stepaudit.audit.decides.settings(job("preserve", **wildcards)),
    shell:
        "stepaudit preserve {params.config:q} --dataset {wildcards.dataset} --model {wildcards.model}"
        " --method {wildcards.method} --shard {wildcards.shard} 2>&1 | tee {log:q}"


rule score:
    input:
        unpack(lambda wildcards: job("score", **wildcards).reads),
        index=lambda wildcards: index(job("score", **wildcards)),
        code=lambda wildcards: job("score", **wildcards).sources,
    output:
        scores=job("score", **per_method).file("scores"),
    log:
        job("score", **per_method).log,
    benchmark:
        job("score", **per_method).benchmark
    resources:
        mem_mb=lambda wildcards, attempt: stepaudit.audit.resources.memory_mb(job("score", **wildcards), attempt),
        runtime=lambda wildcards, attempt: stepaudit.audit.resources.minutes(job("score", **wildcards), attempt),
        gpu=stepaudit.audit.resources.gpus(audit, "score"),
    params:
        config=settings,
        decides=lambda wildcards: stepaudit.audit.decides.settings(job("score", **wildcards)),
    shell:
        "stepaudit score {params.config:q} --dataset {wildcards.dataset} --model {wildcards.model}"
        " --method {wildcards.method} --shard {wildcards.shard} 2>&1 | tee {log:q}"
