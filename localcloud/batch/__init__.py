"""AWS Batch: API, validation and the engine that runs the jobs."""
