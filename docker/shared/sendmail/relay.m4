divert(-1)
dnl Mail for hosted domains goes to the delivery tier, whatever DNS says of them, and only over TLS with a certificate
dnl that proves the delivery tier. For the tiers that relay; include it after MAILER().
dnl
dnl Keys of the map `mailertable':
dnl	domain			esmtp:[host of the delivery tier]
divert(0)dnl
dnl The delivery tier takes mail from whoever shows this tier's certificate (delivering.m4). A server of the world that asks
dnl for one is shown it, too.
define(`confCLIENT_CERT', `{{ settings.secrets_dir }}/tls.crt')dnl
define(`confCLIENT_KEY', `{{ settings.secrets_dir }}/tls.key')dnl
LOCAL_CONFIG
# Two names for one map: see `access'.
Kmailertable btree -t -T<TMPF> {{ settings.state_dir }}/current/mail/mailertable
Kmailertable_again btree -T<TMPF> {{ settings.state_dir }}/current/mail/mailertable

LOCAL_RULE_0
Rpostmaster		$: postmaster <@ {{ settings.cert_domain }} . >
R$+ <@ $+ >		$: $1 <@ $2 > $| $>Route $2
R$+ $| $# $*		$# $2
R$+ $| esmtp:$+		$#esmtp $@ $2 $: $1
R$+ $| $*		$: $1

MAILER_DEFINITIONS
# No mailboxes here.
Mlocal,		P=/bin/false, F=lsDFM, A=false

LOCAL_TLS_RCPT
# $h is where the message goes: what mailertable said when the recipient was looked up. So the recipient's domain decides,
# and no alias of DNS leads around it. No map is opened here: were the flip to come just while sendmail opens one, its
# complaint would be an internal error, and an internal error in this place bounces a message that was accepted.
R$*			$: $&h
R[ {{ settings.imap_internal_host }} ]	$: $>DeliveryTier $&{verify}
R{{ settings.imap_internal_host }}	$: $>DeliveryTier $&{verify}
R$# $*			$# $1
R$*			$@ OK

LOCAL_RULESETS
######################################################################
###  Route: what mailertable says of a domain, ? for nothing, or an $#error
###
###	With the dot that says that DNS knows the domain, or without: a new domain's records may come later.
######################################################################
SRoute
R$+ .			$1
R$+			$: < $(mailertable $1 $: ? $) > <$1>
R<$* <TMPF>> <$+>	$: < $(mailertable_again $2 $: ? $) > <$2>
R<$* <TMPF>> <$+>	$@ $#error $@ 4.3.0 $: "451 Routing table unavailable, try again later"
R<$+> <$+>		$@ $1

######################################################################
###  DeliveryTier: is the server proved to be the delivery tier?
###
###	Its certificate was issued by an authority of ours, for the name that mail is relayed to, or for the
###	tier's own name where that is an address or a name of the private network.
######################################################################
SDeliveryTier
R$*			$: $1 $| {{ settings.imap_internal_host }}
ROK $| $={cert_altnames}	$@ OK
ROK $| $- . $+		$: OK $| * . $2
ROK $| $={cert_altnames}	$@ OK
ROK $| $*		$: OK $| imap.{{ settings.cert_domain }}
ROK $| $={cert_altnames}	$@ OK
ROK $| $- . $+		$: OK $| * . $2
ROK $| $={cert_altnames}	$@ OK
ROK $| $*		$#error $@ 4.7.0 $: "454 The delivery tier's certificate is for another name"
R$* $| $*		$#error $@ 4.7.0 $: "454 The delivery tier is not verified by TLS: " $1
