divert(-1)
dnl What every tier's sendmail has in common: how it runs, how much it takes, how long it waits, what it tells.
dnl Include this first; options can be set again after it.
divert(0)dnl
OSTYPE(`linux')dnl
dnl
dnl ---- The process ----------------------------------------------------------------------------------------------------
dnl The listener stays root, because ports below 1024 need it; what speaks to others, and the queue's runners, do not.
define(`confRUN_AS_USER', `smmta')dnl
dnl The loop writes the maps under its own account: its files are as good as those of root.
define(`confTRUSTED_USER', `reconfigure')dnl
define(`confPID_FILE', `/run/sendmail.pid')dnl
define(`QUEUE_DIR', `/var/spool/mqueue')dnl
dnl The container may be called anything, even something without a dot.
define(`confDOMAIN_NAME', `{{ settings.host_name }}')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
dnl The load of a container is that of the whole machine, neighbours and all: no reason to refuse mail.
define(`confQUEUE_LA', `1000')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confLOG_LEVEL', `9')dnl
undefine(`STATUS_FILE')dnl
dnl
dnl ---- Names and local things -----------------------------------------------------------------------------------------
dnl Addresses are taken as they are written: no look-up makes another name of one.
FEATURE(`nocanonify')dnl
FEATURE(`nouucp', `reject')dnl
FEATURE(`nopercenthack', `reject')dnl
FEATURE(`no_default_msa')dnl
undefine(`confCR_FILE')dnl
define(`ALIAS_FILE', `')dnl
define(`confFORWARD_PATH', `')dnl
define(`HELP_FILE', `/dev/null')dnl
define(`confERROR_MESSAGE', `')dnl
dnl More would be quoted in phrases than RFC 5322 asks for, which breaks signatures over the header.
define(`confMUST_QUOTE_CHARS', `.')dnl
dnl
dnl ---- The queue ------------------------------------------------------------------------------------------------------
dnl Runners come every minute (-q1m); a message waits longer after each failure, up to a quarter of an hour.
define(`confMIN_QUEUE_AGE', `30s')dnl
define(`confMAX_QUEUE_AGE', `15m')dnl
define(`confMAX_QUEUE_CHILDREN', `20')dnl
define(`confMAX_RUNNERS_PER_QUEUE', `3')dnl
define(`confSAFE_QUEUE', `True')dnl
define(`confTO_QUEUERETURN', `5d')dnl
define(`confTO_QUEUEWARN', `0')dnl
define(`confTO_QUEUEWARN_DSN', `0')dnl
define(`confTO_QUEUERETURN_DSN', `2d')dnl
dnl A bounce that cannot be delivered is dropped: there is no postmaster here to read it.
define(`confDOUBLE_BOUNCE_ADDRESS', `')dnl
define(`confDEAD_LETTER_DROP', `/dev/null')dnl
dnl
dnl ---- How much is taken ----------------------------------------------------------------------------------------------
define(`confMAX_MESSAGE_SIZE', `{{ settings.message_bytes }}')dnl
define(`confMAX_RCPTS_PER_MESSAGE', `{{ settings.recipients_limit }}')dnl
define(`confMAX_DAEMON_CHILDREN', `{{ settings.connections_limit }}')dnl
define(`confMAX_HEADERS_LENGTH', `131072')dnl
define(`confMAX_NOOP_COMMANDS', `5')dnl
define(`confMAX_HOP', `110')dnl
define(`confMIN_FREE_BLOCKS', `1000')dnl
dnl After so many wrong recipients in a message each further one waits a second.
define(`confBAD_RCPT_THROTTLE', `5')dnl
dnl Body lines go on as long as they came: sendmail would break those over 990, and with them every signature.
define(`SMTP_MAILER_LL', `0')dnl
dnl Deliver-by dates of others are not our promise.
define(`confDELIVER_BY_MIN', `-1')dnl
define(`confREJECT_NUL', `True')dnl
dnl
dnl ---- How long it waits ----------------------------------------------------------------------------------------------
dnl RFC 5321 4.5.3.2 asks for five minutes for a command and three for a block of data; hours are for those who wish harm.
define(`confTO_INITIAL', `2m')dnl
define(`confTO_CONNECT', `1m')dnl
define(`confTO_ICONNECT', `30s')dnl
define(`confTO_ACONNECT', `5m')dnl
define(`confTO_HELO', `5m')dnl
define(`confTO_MAIL', `5m')dnl
define(`confTO_RCPT', `5m')dnl
define(`confTO_DATAINIT', `2m')dnl
define(`confTO_DATABLOCK', `3m')dnl
define(`confTO_DATAFINAL', `10m')dnl
define(`confTO_COMMAND', `5m')dnl
define(`confTO_STARTTLS', `2m')dnl
define(`confTO_LHLO', `1m')dnl
define(`confTO_AUTH', `2m')dnl
define(`confTO_IDENT', `0')dnl
define(`confTO_RESOLVER_RETRANS', `3s')dnl
define(`confTO_RESOLVER_RETRY', `3')dnl
define(`confBIND_OPTS', `WorkAroundBrokenAAAA')dnl
dnl
dnl ---- What it tells --------------------------------------------------------------------------------------------------
dnl goaway: no VRFY, EXPN, VERB, and HELO first. noreceipts: no confirmations to whoever a message claims to be from.
define(`confPRIVACY_FLAGS', `goaway,noetrn,noreceipts,nobodyreturn,restrictmailq,restrictqrun,restrictexpand')dnl
define(`confSMTP_LOGIN_MSG', `$j')dnl
define(`_REC_BY_', `$.by $j$?r with $r$. id $i$?{tls_version}')dnl
dnl
dnl ---- No program and no file is ever delivered to -------------------------------------------------------------------
dnl sendmail wants mailers of these names; the stock ones run a shell. A tier with mailboxes defines `local' (deliver.m4).
define(`_MAILER_local_', `')dnl
MAILER_DEFINITIONS
Mprog,		P=/bin/false, F=lsDFM, A=false
divert(0)dnl
dnl
include(`tls.m4')dnl
