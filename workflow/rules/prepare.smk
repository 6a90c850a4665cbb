# From videos to clips, trained models and their predictions.


rule index:
    input:
        code=lambda wildcards: audit.source("datasets", wildcards.dataset),
    output:
        segments=audit.path("segments", **per_dataset),
        boxes=audit.path("boxes", **per_dataset),
    log:
        audit.log("index", **per_dataset),
    benchmark:
        audit.benchmark("index", **per_dataset)
    resources:
        mem_mb=lambda wildcards, attempt: stepaudit.audit.resources.memory_mb(audit, "index", attempt, **wildcards),
        runtime=lambda wildcards, attempt: stepaudit.audit.resources.minutes(audit, "index", attempt, **wildcards),
    params:
        config=settings,
        decides=lambda wildcards: audit.decides("index", **wildcards),
    shell:
        "stepaudit index {params.config:q} --dataset {wildcards.dataset} 2>&1 | tee {log:q}"


rule extract:
    input:
        segments=rules.index.output.segments,
        boxes=rules.index.output.boxes,
    output:
        clips=audit.path("clips", **per_shard),
        boxes=audit.path("clip_boxes", **per_shard),
    log:
        audit.log("extract", **per_shard),
    benchmark:
        audit.benchmark("extract", **per_shard)
    resources:
        mem_mb=lambda wildcards, attempt: stepaudit.audit.resources.memory_mb(audit, "extract", attempt, **wildcards),
        runtime=lambda wildcards, attempt: stepaudit.audit.resources.minutes(audit, "extract", attempt, **wildcards),
    params:
        config=settings,
        decides=lambda wildcards: audit.decides("extract", **wildcards),
    shell:
        "stepaudit extract {params.config:q} --dataset {wildcards.dataset} --size {wildcards.size}"
        " --shard {wildcards.shard} 2>&1 | tee {log:q}"


rule train:
    input:
        segments=rules.index.output.segments,
        train=lambda wildcards: audit.clips_for("train", **wildcards),
        validation=lambda wildcards: audit.clips_for("validation", **wildcards),
        code=lambda wildcards: audit.source("models", wildcards.model),
        given=lambda wildcards: audit.given_checkpoint(**wildcards),
    output:
        checkpoint=audit.checkpoint("{dataset}", "{model}"),
        training_log=audit.path("training_log", **per_model),
    log:
        audit.log("train", **per_model),
    benchmark:
        audit.benchmark("train", **per_model)
    resources:
        mem_mb=lambda wildcards, attempt: stepaudit.audit.resources.memory_mb(audit, "train", attempt, **wildcards),
        runtime=lambda wildcards, attempt: stepaudit.audit.resources.minutes(audit, "train", attempt, **wildcards),
        gpu=stepaudit.audit.resources.gpus(audit, "train"),
    params:
        config=settings,
        decides=lambda wildcards: audit.decides("train", **wildcards),
    shell:
        "stepaudit train {params.config:q} --dataset {wildcards.dataset} --model {wildcards.model} 2>&1 | tee {log:q}"


rule predict:
    input:
        checkpoint=rules.train.output.checkpoint,
        clips=lambda wildcards: audit.sharing("clips", **wildcards),
    output:
        predictions=audit.path("predictions", **per_answers),
        frame_orders=audit.path("frame_orders", **per_answers),
    log:
        audit.log("predict", **per_answers),
    benchmark:
        audit.benchmark("predict", **per_answers)
    resources:
        mem_mb=lambda wildcards, attempt: stepaudit.audit.resources.memory_mb(audit, "predict", attempt, **wildcards),
        runtime=lambda wildcards, attempt: stepaudit.audit.resources.minutes(audit, "predict", attempt, **wildcards),
        gpu=stepaudit.audit.resources.gpus(audit, "predict"),
    params:
        config=settings,
        decides=lambda wildcards: audit.decides("predict", **wildcards),
    shell:
        "stepaudit predict {params.config:q} --dataset {wildcards.dataset} --model {wildcards.model}"
        " --shard {wildcards.shard} 2>&1 | tee {log:q}"
