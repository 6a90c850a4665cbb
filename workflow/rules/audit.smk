# From predictions to maps, minimum preservation ratios and scores.


rule attribute:
    input:
        clips=rules.extract.output.clips,
        checkpoint=rules.train.output.checkpoint,
        predictions=rules.predict.output.predictions,
        code=lambda wildcards: audit.source("methods", wildcards.method),
    output:
        maps=audit.path("maps", dataset="{dataset}", model="{model}", method="{method}", shard="{shard}"),
    log:
        audit.log("attribute", dataset="{dataset}", model="{model}", method="{method}", shard="{shard}"),
    benchmark:
        audit.benchmark("attribute", dataset="{dataset}", model="{model}", method="{method}", shard="{shard}")
    params:
        settings=lambda wildcards: audit.decides("attribute", **wildcards),
    resources:
        mem_mb=8000,
        runtime=720,
    shell:
        "stepaudit attribute {settings} --dataset {wildcards.dataset} --model {wildcards.model}"
        " --method {wildcards.method} --shard {wildcards.shard} 2> {log}"


rule preserve:
    input:
        clips=rules.extract.output.clips,
        checkpoint=rules.train.output.checkpoint,
        predictions=rules.predict.output.predictions,
        code=lambda wildcards: audit.source("methods", wildcards.method),
    output:
        preservation=audit.path("preservation", dataset="{dataset}", model="{model}", method="{method}", shard="{shard}"),
    log:
        audit.log("preserve", dataset="{dataset}", model="{model}", method="{method}", shard="{shard}"),
    benchmark:
        audit.benchmark("preserve", dataset="{dataset}", model="{model}", method="{method}", shard="{shard}")
    params:
        settings=lambda wildcards: audit.decides("preserve", **wildcards),
    resources:
        mem_mb=8000,
        runtime=720,
    shell:
        "stepaudit preserve {settings} --dataset {wildcards.dataset} --model {wildcards.model}"
        " --method {wildcards.method} --shard {wildcards.shard} 2> {log}"


rule score:
    input:
        clips=rules.extract.output.clips,
        boxes=rules.extract.output.boxes,
        checkpoint=rules.train.output.checkpoint,
        maps=rules.attribute.output.maps,
        code=[audit.source("metrics", metric) for metric in audit.metrics],
    output:
        scores=audit.path("scores", dataset="{dataset}", model="{model}", method="{method}", shard="{shard}"),
    log:
        audit.log("score", dataset="{dataset}", model="{model}", method="{method}", shard="{shard}"),
    benchmark:
        audit.benchmark("score", dataset="{dataset}", model="{model}", method="{method}", shard="{shard}")
    params:
        settings=lambda wildcards: audit.decides("score", **wildcards),
    resources:
        mem_mb=4000,
        runtime=240,
    shell:
        "stepaudit score {settings} --dataset {wildcards.dataset} --model {wildcards.model}"
        " --method {wildcards.method} --shard {wildcards.shard} 2> {log}"
