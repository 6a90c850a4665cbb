# From videos to clips, trained models and their predictions.


rule index:
    input:
        code=lambda wildcards: audit.source("datasets", wildcards.dataset),
    output:
        segments=audit.path("segments", dataset="{dataset}"),
        boxes=audit.path("boxes", dataset="{dataset}"),
    log:
        audit.log("index", dataset="{dataset}"),
    benchmark:
        audit.benchmark("index", dataset="{dataset}")
    params:
        settings=lambda wildcards: audit.decides("index", **wildcards),
    resources:
        mem_mb=2000,
        runtime=60,
    shell:
        "stepaudit index {settings} --dataset {wildcards.dataset} 2> {log}"


rule extract:
    input:
        segments=rules.index.output.segments,
        boxes=rules.index.output.boxes,
    output:
        clips=audit.path("clips", dataset="{dataset}", shard="{shard}"),
        boxes=audit.path("clip_boxes", dataset="{dataset}", shard="{shard}"),
    log:
        audit.log("extract", dataset="{dataset}", shard="{shard}"),
    benchmark:
        audit.benchmark("extract", dataset="{dataset}", shard="{shard}")
    params:
        settings=lambda wildcards: audit.decides("extract", **wildcards),
    resources:
        mem_mb=4000,
        runtime=120,
    shell:
        "stepaudit extract {settings} --dataset {wildcards.dataset} --shard {wildcards.shard} 2> {log}"


rule train:
    input:
        segments=rules.index.output.segments,
        train=audit.shard_paths("clips", "train", dataset="{dataset}"),
        validation=audit.shard_paths("clips", "validation", dataset="{dataset}"),
        code=lambda wildcards: audit.source("models", wildcards.model),
        given=lambda wildcards: audit.given_checkpoint(wildcards.model),
    output:
        checkpoint=audit.checkpoint("{dataset}", "{model}"),
        training_log=audit.path("training_log", dataset="{dataset}", model="{model}"),
    log:
        audit.log("train", dataset="{dataset}", model="{model}"),
    benchmark:
        audit.benchmark("train", dataset="{dataset}", model="{model}")
    params:
        settings=lambda wildcards: audit.decides("train", **wildcards),
    resources:
        mem_mb=8000,
        runtime=720,
    shell:
        "stepaudit train {settings} --dataset {wildcards.dataset} --model {wildcards.model} 2> {log}"


rule predict:
    input:
        checkpoint=rules.train.output.checkpoint,
        clips=audit.shard_paths("clips", "test", dataset="{dataset}"),
    output:
        predictions=audit.path("predictions", dataset="{dataset}", model="{model}"),
    log:
        audit.log("predict", dataset="{dataset}", model="{model}"),
    benchmark:
        audit.benchmark("predict", dataset="{dataset}", model="{model}")
    params:
        settings=lambda wildcards: audit.decides("predict", **wildcards),
    resources:
        mem_mb=8000,
        runtime=120,
    shell:
        "stepaudit predict {settings} --dataset {wildcards.dataset} --model {wildcards.model} 2> {log}"
