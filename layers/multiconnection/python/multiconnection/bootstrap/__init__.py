"""The composition root: the only place that makes clients and puts the tiers together.

Nothing is imported here: a function loads the part that it is made of, and starts the sooner.
"""
