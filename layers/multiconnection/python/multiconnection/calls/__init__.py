"""The pipeline of every paid call: limit, reserve, forward, settle."""
