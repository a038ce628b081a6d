divert(-1)
dnl Who may send as whom, on submission: the envelope's sender and the From: header must be addresses of the user who
dnl logged in. Include it after recipients.m4, whose Plain and Verdict it uses.
dnl
dnl Keys of the map `senders', in lower case as all keys are:
dnl	local@domain!user	OK
dnl
dnl A header ruleset fails open: sendmail does not call it for a field without a value or one that it cannot take apart.
dnl Hence check_eoh, which wants to have seen one From: that was found good, and {sender}, by which OpenDKIM signs:
dnl it refuses a message in which it counts another From: (one-from.lua). A sender may be left unjudged, too: hence {envelope}.
divert(0)dnl
LOCAL_CONFIG
# Two names for one map: see `access'.
Ksenders btree -t -T<TMPF> {{ settings.state_dir }}/current/mail/senders
Ksenders_again btree -T<TMPF> {{ settings.state_dir }}/current/mail/senders
Kremember macro
# A queue file says who had logged in: `reconfigure sending' finds an account's mail by that.
C{persistentMacros}{auth_authen}
Kone_mailbox regex -q -a<yes> ^" *(([^][()<>,;:@\\"]|\\"([^"\\]|\\\\"|\\[^"\\])*\\")*<[^][()<>,;:@\\"[:space:]]+@[^][()<>,;:@\\"[:space:]]+>|[^][()<>,;:@\\"[:space:]]+@[^][()<>,;:@\\"[:space:]]+) *"$
# RFC 5321 4.1.2: a local part without quotes, and a domain.
Kone_address regex -q -a<yes> ^[!\#-'*+/-9=?A-Z^-~.-]+@[A-Za-z0-9._-]+$

HFrom: $>+FromHeader

LOCAL_RULESETS
######################################################################
###  MaySend: may who logged in send as local@domain?
###
###	+detail does not count. Whatever is no plain address is in no map, and so refused.
######################################################################
SMaySend
R$* + $* @ $*		$: $1 @ $3
R$+			$: < $(senders $1!$&{auth_authen} $: ? $) > <$1>
R<$* <TMPF>> <$+>	$: < $(senders_again $2!$&{auth_authen} $: ? $) > <$2>
R<$* <TMPF>> $*		$@ $#error $@ 4.3.0 $: "451 Sender list unavailable, try again later"
R<OK> $*		$@ OK
R$*			$@ ?

######################################################################
###  Local_check_mail: the answer to MAIL FROM
###
###	What is judged is the address that sendmail makes of it, which is the one that leaves: routes, comments and
###	group syntax (x:them@domain) are gone by then. What is no plain address even so is refused: in angle brackets
###	group syntax stays, and who comes after may read more into it than is meant.
###	<> is allowed to everybody: notifications of receipt are sent with it. What is nothing but a comment or a
###	backslash sendmail takes for its own daemon without asking here, so Local_check_rcpt wants to see a verdict.
######################################################################
SLocal_check_mail
R$*			$: $(remember {sender} $) $(remember {envelope} $) $1
R<>			$@ $(remember {envelope} $@ judged $) OK
R$*			$: $>CanonAddr $1
R$* <@ $* . >		$: $1 <@ $2 >
R$- <@ $+ >		$: $(dequote $1 $) <@ $2 >
R$+ <@ $+ >		$: $1@$2 $| $(one_address $1@$2 $: ? $)
R$+ $| <yes>		$: $1 $| $>MaySend $1
R$+ $| $# $*		$# $2
R$+ $| OK		$# $(remember {envelope} $@ judged $) OK
R$*			$#error $@ 5.7.1 $: "550 You may not send from this address"

######################################################################
###  FromHeader: each From: that has a value
######################################################################
SFromHeader
R$*			$: $&{sender} $| $1
R$+ $| $*		$#error $@ 5.6.0 $: "550 The message has more than one From:"
# Set in any case: what is refused here needs no second reason from check_eoh, whose answer would be the one that is heard.
R$* $| $*		$: $(remember {sender} $@ refused $) $2 $| $(arith l $@ 500 $@ $&{hdrlen} $)
R$* $| TRUE		$#error $@ 5.6.0 $: "550 From: is too long"
R$* $| $*		$: $1 $| $(one_mailbox $&{currHeader} $: ? $)
R$* $| ?		$#error $@ 5.6.0 $: "550 From: must be one address, with or without a name before <it>"
R$* < $+ > $| $*	$: $2 $| $3
R$+ $| $*		$: $1 $| $>MaySend $1
R$+ $| $# $*		$# $2
R$+ $| OK		$: $(remember {sender} $@ $1 $) OK
ROK			$@ OK
R$+ $| $*		$#error $@ 5.7.1 $: "550 <" $1 ">: you may not send from this address"
R$*			$#error $@ 5.6.0 $: "550 The message needs one From: with one address"

######################################################################
###  check_eoh: was there a From: that was found good?
######################################################################
Scheck_eoh
R$*			$: $&{sender}
R$+			$@ OK
R$*			$#error $@ 5.6.0 $: "550 The message needs one From: with one address, 250 characters at most"

######################################################################
###  Local_check_rcpt: the answer to RCPT TO
###
###	Hosted addresses as everywhere; the world to whoever logged in. There is no mailbox here.
######################################################################
SLocal_check_rcpt
R$*			$: $&{envelope} $| $1
R$| $*			$#error $@ 5.7.1 $: "550 You may not send from this address"
R$+ $| $*		$: $>Plain $>CanonAddr $2
R$#  $*			$# $1
R$+			$: $1 $| $>Verdict $1
R$* $| $# $*		$# $2
R$* $| RELAY		$#OK
R$* <@ $=w > $| $*	$#error $@ 5.1.1 $: "550 No such address here"
R$* <@ [ $* ] > $| $*	$#error $@ 5.1.2 $: "550 Mail is sent to domains, not to numbers"
R$+ <@ $+ > $| $*	$: $&{auth_type}
R$* $| $*		$#error $@ 5.1.3 $: "550 The address needs a domain"
R$+			$#OK
R$*			$#error $@ 5.7.1 $: "550 Relaying denied"
