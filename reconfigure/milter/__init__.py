"""Milters of ours: sendmail asks them about a session or a message while it takes it.

`protocol` is the conversation, for whoever has something to say in it. `verdicts` removes what strangers say of where
their own mail comes from, `fields` knows which header fields say that. `results` looks at what our own verifiers wrote
and at who claims to be one of us (`hosted`). `complete` adds what is to be signed. `server` is their life as a process.
"""
