"""What a tier depends on, tried by one real call each: AWS, supervisord, the daemons, files, certificates, DNS.

A check changes nothing and consumes nothing. What cannot be tried without harm, or is not here, is skipped with a word.
"""
