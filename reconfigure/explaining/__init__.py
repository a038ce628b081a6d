"""What a tier makes of one address, user or domain, link by link: source, validation, live generation, daemon.

Every link is asked anew, so that the one that is behind can be named. Nothing is written, locked or consumed.
"""
