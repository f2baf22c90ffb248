"""What the end-to-end tests share: stacks, customers, SDK runs."""
