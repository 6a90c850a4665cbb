# From videos to clips, trained models and their predictions.


rule index:
    input:
        code=lambda wildcards: job("index", **wildcards).sources,
    output:
        segments=job("index", **per_dataset).file("segments"),
        boxes=job("index", **per_dataset).file("boxes"),
    log:
        job("index", **per_dataset).log,
    benchmark:
        job("index", **per_dataset).benchmark
    resources:
        mem_mb=lambda wildcards, attempt: stepaudit.audit.resources.memory_mb(job("index", **wildcards), attempt),
        runtime=lambda wildcards, attempt: stepaudit.audit.resources.minutes(job("index", **wildcards), attempt),
    params:
        config=settings,
        decides=lambda wildcards: stepaudit.audit.decides.settings(job("index", **wildcards)),
    shell:
        "stepaudit index {params.config:q} --dataset {wildcards.dataset} 2>&1 | tee {log:q}"


rule extract:
    input:
        index=lambda wildcards: index(job("extract", **wildcards)),
    output:
        clips=job("extract", **per_shard).file("clips"),
        boxes=job("extract", **per_shard).file("clip_boxes"),
    log:
        job("extract", **per_shard).log,
    benchmark:
        job("extract", **per_shard).benchmark
    resources:
        mem_mb=lambda wildcards, attempt: stepaudit.audit.resources.memory_mb(job("extract", **wildcards), attempt),
        runtime=lambda wildcards, attempt: stepaudit.audit.resources.minutes(job("extract", **wildcards), attempt),
    params:
        config=settings,
        decides=lambda wildcards: stepaudit.audit.decides.settings(job("extract", **wildcards)),
    shell:
        "stepaudit extract {params.config:q} --dataset {wildcards.dataset} --size {wildcards.size}"
        " --shard {wildcards.shard} 2>&1 | tee {log:q}"


rule train:
    input:
        unpack(lambda wildcards: job("train", **wildcards).dated),
        index=lambda wildcards: index(job("train", **wildcards)),
        given=ancient(lambda wildcards: job("train", **wildcards).given),  # `decides` knows their content
        code=lambda wildcards: job("train", **wildcards).sources,
    output:
        checkpoint=job("train", **per_model).checkpoint,
        training_log=job("train", **per_model).file("training_log"),
    log:
        job("train", **per_model).log,
    benchmark:
        job("train", **per_model).benchmark
    resources:
        mem_mb=lambda wildcards, attempt: stepaudit.audit.resources.memory_mb(job("train", **wildcards), attempt),
        runtime=lambda wildcards, attempt: stepaudit.audit.resources.minutes(job("train", **wildcards), attempt),
        gpu=stepaudit.audit.resources.gpus(audit, "train"),
    params:
        config=settings,
        decides=lambda wildcards: stepaudit.audit.decides.settings(job("train", **wildcards)),
    shell:
        "stepaudit train {params.config:q} --dataset {wildcards.dataset} --model {wildcards.model} 2>&1 | tee {log:q}"


rule predict:
    input:
        unpack(lambda wildcards: job("predict", **wildcards).reads),
        index=lambda wildcards: index(job("predict", **wildcards)),
    output:
        predictions=job("predict", **per_answers).file("predictions"),
        frame_orders=job("predict", **per_answers).file("frame_orders"),
    log:
        job("predict", **per_answers).log,
    benchmark:
        job("predict", **per_answers).benchmark
    resources:
        mem_mb=lambda wildcards, attempt: stepaudit.audit.resources.memory_mb(job("predict", **wildcards), attempt),
        runtime=lambda wildcards, attempt: stepaudit.audit.resources.minutes(job("predict", **wildcards), attempt),
        gpu=stepaudit.audit.resources.gpus(audit, "predict"),
    params:
        config=settings,
        decides=lambda wildcards: stepaudit.audit.decides.settings(job("predict", **wildcards)),
    shell:
        "stepaudit predict {params.config:q} --dataset {wildcards.dataset} --model {wildcards.model}"
        " --shard {wildcards.shard} 2>&1 | tee {log:q}"
