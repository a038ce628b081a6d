"""The three mail tiers as containers, with all that they need around them: AWS, name service, an internet to send to.

For people (`make mail`) and for the system tests, which start more of the same under other names. `world.py` is the
way in; what runs inside the containers of the test world is in `lab`.
"""
