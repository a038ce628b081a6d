"""Who hears how a pass went: the status document, the history, the log and Healthchecks.

Nothing here decides anything; a report that cannot be delivered never changes what is served.
"""
