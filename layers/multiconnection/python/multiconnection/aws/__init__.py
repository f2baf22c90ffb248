"""Clients of AWS: DynamoDB, S3, Secrets Manager, and the signer that they share."""
