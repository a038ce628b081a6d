dnl TLS of every tier, in both directions: 1.2 and newer, the tier's certificate, the authorities that we trust.
dnl sendmail leaves OpenSSL's own configuration of the system aside, so the versions have to be said here.
define(`confSERVER_SSL_OPTIONS',
    `+SSL_OP_NO_SSLv3 +SSL_OP_NO_TLSv1 +SSL_OP_NO_TLSv1_1 +SSL_OP_CIPHER_SERVER_PREFERENCE')dnl
define(`confCLIENT_SSL_OPTIONS', `+SSL_OP_NO_SSLv3 +SSL_OP_NO_TLSv1 +SSL_OP_NO_TLSv1_1')dnl
define(`confCIPHER_LIST', `ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:!aNULL:!MD5:!DSS')dnl
dnl The folder holds nothing more than the file, but without one sendmail does no TLS at all, and says so to nobody.
define(`confCACERT_PATH', `{{ settings.secrets_dir }}')dnl
define(`confCACERT', `{{ settings.secrets_dir }}/ca-bundle.pem')dnl
define(`confSERVER_CERT', `{{ settings.secrets_dir }}/tls.crt')dnl
define(`confSERVER_KEY', `{{ settings.secrets_dir }}/tls.key')dnl
dnl sendmail reads the key as root and yet asks that RUN_AS_USER could: it is 0640, and that account is in its group. (As a
dnl client, relay.m4, it reads it as that account.)
define(`confDONT_BLAME_SENDMAIL', `GroupReadableKeyFile')dnl
dnl V: clients are not asked for a certificate, which upsets some and proves nothing here.
define(`confTLS_SRV_OPTIONS', `V')dnl
dnl The names in a server's certificate are looked at (relay.m4).
FEATURE(`check_cert_altnames')dnl
dnl A server of the world that offers STARTTLS and cannot do it still gets its mail; the delivery tier must do it.
define(`confTLS_FALLBACK_TO_CLEAR', `True')dnl
