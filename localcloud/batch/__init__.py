"""AWS Batch: API, rules and the engine that runs the jobs."""
