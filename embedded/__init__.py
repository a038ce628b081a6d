"""The whole of it on one machine, unprivileged: an AWS double, a ping receiver and three tiers under supervisord.

For newcomers (`make up`), for tests and for benchmarks; never installed, never imported by the package itself.
Start reading at `up.py`.
"""
