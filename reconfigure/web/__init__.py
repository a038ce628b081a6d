"""What `run` answers over HTTP on loopback: a page for people, and health, status and metrics for programs.

It reads what the commands read and changes nothing. It can fail altogether without a pass noticing.
"""
