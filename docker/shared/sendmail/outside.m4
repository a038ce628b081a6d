divert(-1)
dnl What strangers say of where their own mail comes from is removed before anything else sees it, by a milter of ours
dnl that comes first. For the tiers that take mail from outside; include it after limits.m4 and before any other milter.
divert(0)dnl
dnl F=T: while it is away mail is put off with 4xx. It never passes with what it claims.
INPUT_MAIL_FILTER(`verdicts', `S=local:/run/milter/verdicts, F=T, T=C:10s;S:10s;R:30s;E:60s')dnl
dnl
dnl A milter can be shown 65,535 bytes of a field, and a message with a longer one would be put off again and again, until
dnl its sender gives up. So a message whose header is larger than that as a whole is refused at once.
define(`confMAX_HEADERS_LENGTH', `65000')dnl
