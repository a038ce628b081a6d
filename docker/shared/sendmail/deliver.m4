divert(-1)
dnl Mail for hosted addresses goes into mailboxes: the address names a user, or an alias of the users who share it, and
dnl Dovecot takes it by LMTP. Once a message was taken nothing here refuses it for good: what is unknown now may be known
dnl after the next pass. For the delivery tier; include it after MAILER().
dnl
dnl Keys of the map `virtusertable':
dnl	user@domain		user, or alias
dnl of the alias database:
dnl	alias			users
divert(0)dnl
LOCAL_CONFIG
# Two names for one map: see `access'.
Kvirtusers btree -t -T<TMPF> {{ settings.state_dir }}/current/mail/virtusertable
Kvirtusers_again btree -T<TMPF> {{ settings.state_dir }}/current/mail/virtusertable

MAILER_DEFINITIONS
# A: aliases. z: LMTP, which answers for each recipient. Left out of the stock flags on purpose: | / : (programs, files
# and lists in aliases), w (a user who is not there would bounce), 5 and o. Only the envelope becomes a user's name:
# headers stay as they were signed.
Mlocal,		P=[IPC], F=lsDFMAXmnz, S=EnvFromSMTP/HdrFromSMTP, R=EnvToUser/HdrToSMTP, E=\r\n, T=DNS/RFC822/SMTP,
		A=FILE /run/dovecot/lmtp
SEnvToUser
R$+ <@ $* >		$1

LOCAL_RULE_0
R$+			$: $>Delivery $1

LOCAL_RULESETS
######################################################################
###  Delivery: where a parsed recipient goes
###
###	$#local for what virtusertable knows, a temporary error for the rest of the hosted domains, and
###	the address itself for others: the senders that a bounce returns to.
######################################################################
SDelivery
R$+			$: $&{addr_type} $| $1
R$* s $| $+		$@ $2					senders are not delivered to
R$* $| $+		$: $2 $| $>Plain $2
R$+ $| $+ <@ $+ >	$: $1 $| <$3> $>Mailbox $2@$3
R$+ $| <$+> $# $*	$@ $# $3
R$+ $| <$+> ?		$: $1 $| <@> $>Access hosted:$2
R$+ $| <@> ?		$@ $1
R$+ $| <@> $# $*	$@ $# $2
R$+ $| <@> $*		$@ $#error $@ 4.2.1 $: "451 Address not known here, try again later"
R$+ $| <$+> $+		$@ $#local $: $3
R$+ $| $*		$@ $1

######################################################################
###  Mailbox: the user or alias that an address names, ? for none, or an $#error
######################################################################
SMailbox
R$+			$: < $(virtusers $1 $: ? $) > <$1>
R<$* <TMPF>> <$+>	$: < $(virtusers_again $2 $: ? $) > <$2>
R<$* <TMPF>> <$+>	$@ $#error $@ 4.3.0 $: "451 Address list unavailable, try again later"
R<$+> <$+>		$@ $1
