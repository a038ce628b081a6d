divert(-1)
dnl The envelope of mail from the internet: senders that every later server can read, and recipients that cost time to
dnl guess. What is accepted here and refused by the delivery tier would return to a sender who may be forged. Include it
dnl after recipients.m4, whose Local_check_rcpt is called HostedOnly then.
divert(0)dnl
LOCAL_CONFIG
# RFC 5321 4.1.2, without quoted pairs and with the underscores in domains that are found in practice.
Kwell_formed regex -q -a<yes> ^([!\#-'*+/-9=?A-Z^-~.-]+|"[] !\#-[^-~]+")@([A-Za-z0-9._-]+|\[[A-Za-z0-9.:]+\])$
# A second of nobody's time but the client's; it takes no text of the client's.
Kpause program /bin/sleep

LOCAL_RULESETS
######################################################################
###  Local_check_mail: the answer to MAIL FROM
###
###	What is judged is the address that sendmail makes of it, which is the one that goes on.
######################################################################
SLocal_check_mail
R<>			$@ OK
R$*			$: $>CanonAddr $1
R$* <@ $* . >		$: $1 <@ $2 >
R$* :; <@ >		$: ?
R$+ <@ $+ >		$: $(well_formed $1@$2 $: ? $)
R?			$#error $@ 5.1.7 $: "553 The sender's address is not of the form that RFC 5321 gives"

######################################################################
###  Local_check_rcpt: the answer to RCPT TO
###
###	A refusal takes a second. BadRcptThrottle alone begins to count anew with each message, and so lets whoever
###	asks for a few in each of many ask for thousands in a second.
######################################################################
SLocal_check_rcpt
R$*			$: <> $>HostedOnly $1
R<> $# error $*		$: <$(pause 1 $: $)> error $1
R<$*> error $*		$# error $2
R<> $# $*		$# $1

######################################################################
###  check_eom: the answer to the end of a message
###
###	sendmail counts hops when it delivers, and returns what has too many; here the client hears it. RFC 5321 6.3
###	asks for a hundred at least. $c has this server's own Received: in it, and MaxHopCount lies above both.
######################################################################
Scheck_eom
R$*			$: $(arith l $@ 101 $@ $&c $)
RTRUE			$#error $@ 5.4.6 $: "554 Too many hops"
