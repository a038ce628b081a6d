"""The login helper: one resident process that checks passwords against Cognito for the daemons of a tier.

Dovecot asks over HTTP (`dovecot`), sendmail's SASL library in saslauthd's protocol (`saslauthd`), each on a UNIX
socket; a milter (`gate`) tells sendmail when nobody can log in. What they are told is decided in `checker`, from what
Cognito says (`cognito`), who is served (`served`), what was answered lately (`memory`) and who guesses (`guesses`);
about the IMAP master user, whom Cognito does not know, in `master`.
A password is never logged, never written, and kept only as a keyed hash: a user's for a day at most, the master
user's for as long as the process lives.
"""
