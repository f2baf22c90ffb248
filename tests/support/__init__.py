"""What several tests share: fakes, servers and drivers."""
