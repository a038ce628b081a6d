divert(-1)
dnl Who may deliver: the tiers that relay, and nobody else of the network that all share. For the delivery tier; include it
dnl after MAILER().
dnl
dnl A tier shows its certificate (relay.m4), and by the handshake that it has the key. Two things make it one of ours:
dnl	it is the very certificate that this tier has, which all tiers share as a rule; or
dnl	an authority of ours issued it for a relay's name, to be used by clients.
dnl The first is needed where the authority is one of the world's: what these issue is for servers alone, and does not verify
dnl as a client's.
divert(0)dnl
dnl Clients are asked for a certificate; one without goes on, and is refused below.
define(`confTLS_SRV_OPTIONS', `')dnl
define(`confCERT_FINGERPRINT_ALGORITHM', `sha256')dnl
LOCAL_CONFIG
# Addresses, by their first numbers, of networks that may deliver without a certificate. A line each: sendmail cuts long ones.
{% for prefix in settings.delivery_prefixes %}
C{DeliveryNetworks}{{ prefix }}
{% endfor %}

LOCAL_RULESETS
######################################################################
###  Local_check_mail: the answer to MAIL FROM
###
###	Never a refusal for good: what a relay has accepted waits with it until both have the same certificate again.
###	Who asks from this very container may: explain, and whoever looks for trouble.
######################################################################
SLocal_check_mail
R$*			$: $&{client_addr} .
R127.0.0.1 .		$@ OK
R$={DeliveryNetworks} . $*	$@ OK
R$*			$: $&{cert_fp}
{% if settings.tls_fingerprint %}
R{{ settings.tls_fingerprint }}	$@ OK
{% endif %}
R$*			$: $&{verify} $| smtp-in.{{ settings.cert_domain }} $| smtp-out.{{ settings.cert_domain }}
ROK $| $={cert_altnames} $| $*	$@ OK
ROK $| $* $| $={cert_altnames}	$@ OK
ROK $| $- . $+ $| $*	$: OK $| * . $2
ROK $| $={cert_altnames}	$@ OK
R$*			$#error $@ 4.7.1 $: "451 Only the relays of this service deliver here"
