# From predictions to maps, minimum preservation ratios and scores.


rule attribute:
    input:
        clips=lambda wildcards: audit.sharing("clips", **wildcards),
        checkpoint=rules.train.output.checkpoint,
        predictions=lambda wildcards: audit.sharing("predictions", **wildcards),
        training_boxes=lambda wildcards: audit.training_boxes(**wildcards),
        code=lambda wildcards: audit.source("methods", wildcards.method),
    output:
        maps=audit.path("maps", **per_method),
    log:
        audit.log("attribute", **per_method),
    benchmark:
        audit.benchmark("attribute", **per_method)
    resources:
        mem_mb=lambda wildcards, attempt: stepaudit.audit.resources.memory_mb(audit, "attribute", attempt, **wildcards),
        runtime=lambda wildcards, attempt: stepaudit.audit.resources.minutes(audit, "attribute", attempt, **wildcards),
        gpu=stepaudit.audit.resources.gpus(audit, "attribute"),
    params:
        config=settings,
        decides=lambda wildcards: audit.decides("attribute", **wildcards),
    shell:
        "stepaudit attribute {params.config:q} --dataset {wildcards.dataset} --model {wildcards.model}"
        " --method {wildcards.method} --shard {wildcards.shard} 2>&1 | tee {log:q}"


rule preserve:
    input:
        clips=lambda wildcards: audit.sharing("clips", **wildcards),
        checkpoint=rules.train.output.checkpoint,
        predictions=lambda wildcards: audit.sharing("predictions", **wildcards),
        code=lambda wildcards: audit.source("methods", wildcards.method),
    output:
        preservation=audit.path("preservation", **per_method),
    log:
        audit.log("preserve", **per_method),
    benchmark:
        audit.benchmark("preserve", **per_method)
    resources:
        mem_mb=lambda wildcards, attempt: stepaudit.audit.resources.memory_mb(audit, "preserve", attempt, **wildcards),
        runtime=lambda wildcards, attempt: stepaudit.audit.resources.minutes(audit, "preserve", attempt, **wildcards),
        gpu=stepaudit.audit.resources.gpus(audit, "preserve"),
    params:
        config=settings,
        decides=lambda wildcards: audit.decides("preserve", **wildcards),
    shell:
        "stepaudit preserve {params.config:q} --dataset {wildcards.dataset} --model {wildcards.model}"
        " --method {wildcards.method} --shard {wildcards.shard} 2>&1 | tee {log:q}"


rule score:
    input:
        clips=lambda wildcards: audit.sharing("clips", **wildcards),
        boxes=lambda wildcards: audit.sharing("clip_boxes", **wildcards),
        checkpoint=rules.train.output.checkpoint,
        peers=lambda wildcards: audit.peer_checkpoints(**wildcards),
        maps=rules.attribute.output.maps,
        references=lambda wildcards: audit.reference_maps(**wildcards),
        code=[audit.source("metrics", metric) for metric in audit.metrics],
    output:
        scores=audit.path("scores", **per_method),
    log:
        audit.log("score", **per_method),
    benchmark:
        audit.benchmark("score", **per_method)
    resources:
        mem_mb=lambda wildcards, attempt: stepaudit.audit.resources.memory_mb(audit, "score", attempt, **wildcards),
        runtime=lambda wildcards, attempt: stepaudit.audit.resources.minutes(audit, "score", attempt, **wildcards),
        gpu=stepaudit.audit.resources.gpus(audit, "score"),
    params:
        config=settings,
        decides=lambda wildcards: audit.decides("score", **wildcards),
    shell:
        "stepaudit score {params.config:q} --dataset {wildcards.dataset} --model {wildcards.model}"
        " --method {wildcards.method} --shard {wildcards.shard} 2>&1 | tee {log:q}"
