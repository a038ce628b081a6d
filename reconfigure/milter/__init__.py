"""Milters of ours: sendmail asks them about a session or a message while it takes it.

`protocol` is the conversation, for whoever has something to say in it. `verdicts` removes what strangers say of where
their own mail comes from, `fields` knows which header fields say that, and `server` is its life as a process.
"""
