"""Programs around the product: packaging, deployment on an emulator, sample events, traces, the in-memory DynamoDB."""
