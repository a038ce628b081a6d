divert(-1)
dnl Who may be written to: decided by the rendered maps alone, which sendmail opens anew in each SMTP session. There is
dnl no class of domains, no relaying by network, and nothing that a client on 127.0.0.1 may do and others may not.
dnl
dnl Keys of the map `access':
dnl	to:user@domain		RELAY, or ERROR:d.s.n:code text
dnl	hosted:domain		ERROR:d.s.n:code text, for every other address of the domain
dnl
dnl Include this after MAILER().
divert(0)dnl
LOCAL_CONFIG
# A flip may come while sendmail opens a map: between its look at the file and its opening of it, which it then calls an
# error, and the map stays closed for the rest of the session. So each map has two names. The second is opened only when the
# first could not be, and by then the flip is over. -t: a first failure alone puts nothing off.
Kaccess btree -t -T<TMPF> {{ settings.state_dir }}/current/mail/access
Kaccess_again btree -T<TMPF> {{ settings.state_dir }}/current/mail/access

LOCAL_RULESETS
######################################################################
###  Plain: a parsed address as the maps write it, local<@domain>
###
###	Without trailing dots, needless quotes and +detail. A syntax error comes back as $#error.
######################################################################
SPlain
R$# $*			$@ $# $1
R$* <@ $* . >		$1 <@ $2 >
# RFC 5321 4.5.1: postmaster may be written to without a domain.
Rpostmaster		$: postmaster <@ {{ settings.cert_domain }} >
R$- <@ $+ >		$: $(dequote $1 $) <@ $2 >
R$+ + $* <@ $+ >	$: $1 <@ $3 >

######################################################################
###  Verdict: RELAY, an $#error, or ? for a domain that is not hosted
###
###	Of local<@domain>.
######################################################################
SVerdict
R$# $*			$@ $# $1
R$+ <@ $+ >		$: <$2> $>Access to:$1@$2
R<$+> ?			$: <$1> $>Access hosted:$1
R<$+> $# $*		$@ $# $2
R<$+> ERROR:$-.$-.$-:$+	$@ $#error $@ $2.$3.$4 $: $5
R<$+> RELAY		$@ RELAY
R$*			$@ ?

######################################################################
###  Access: what the map says of a key, ? for nothing, or an $#error
######################################################################
SAccess
R$+			$: < $(access $1 $: ? $) > <$1>
R<$* <TMPF>> <$+>	$: < $(access_again $2 $: ? $) > <$2>
R<$* <TMPF>> <$+>	$@ $#error $@ 4.3.0 $: "451 Address list unavailable, try again later"
R<$+> <$+>		$@ $1

######################################################################
###  Local_check_rcpt: the answer to RCPT TO
###
###	Every way out ends in $#: what sendmail's stock rules would allow is never asked.
######################################################################
SLocal_check_rcpt
R$*			$: $>Verdict $>Plain $>CanonAddr $1
R$# $*			$# $1
RRELAY			$#OK
R$*			$#error $@ 5.7.1 $: "550 Relaying denied"
