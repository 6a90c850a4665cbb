"""How a job runs: on which device, guarded, with what is finished kept, and told of."""
