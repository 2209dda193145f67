# SPDX-License-Identifier: MIT
#
# OpenSSL frees all it ever took as it ends, in destructors, long after the
# library that a heap lives in may think it is over.

prepare() {
	needs openssl
	random_lines $((20000 * SCALE)) 4711 >plain
	cat >key.conf <<'CONF'
[req]
distinguished_name = name
prompt = no
[name]
CN = example.org
O = a test
CONF
	openssl genrsa -out key.pem 2048 2>/dev/null
	openssl ecparam -name prime256v1 -genkey -noout -out ec.pem
}

run() {
	local name
	for name in sha256 sha3-512 blake2b512 md5; do
		hs openssl dgst -"$name" -r "$HS_DATA/plain" | cut -d ' ' -f 1
	done
	hs openssl enc -aes-256-ctr -pbkdf2 -S 0011223344556677 -k secret \
		-in "$HS_DATA/plain" -out sealed
	hs openssl enc -d -aes-256-ctr -pbkdf2 -S 0011223344556677 -k secret \
		-in sealed | digest
	hs openssl req -new -x509 -config "$HS_DATA/key.conf" -days 10 \
		-key "$HS_DATA/key.pem" -out cert.pem
	hs openssl x509 -in cert.pem -noout -subject -modulus | digest
	hs openssl verify -CAfile cert.pem cert.pem
	hs openssl dgst -sha256 -sign "$HS_DATA/key.pem" -out signature \
		"$HS_DATA/plain"
	digest <signature
	hs openssl rsa -in "$HS_DATA/key.pem" -pubout -out public.pem 2>&1
	hs openssl dgst -sha256 -verify public.pem -signature signature \
		"$HS_DATA/plain"
	hs openssl ec -in "$HS_DATA/ec.pem" -text -noout 2>&1 | digest
	hs openssl asn1parse -in cert.pem -strparse 4 2>&1 | wc -l
}
