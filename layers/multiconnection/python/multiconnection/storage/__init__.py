"""DynamoDB: expressions and attribute names, one file per table."""
