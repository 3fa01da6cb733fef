<?php
// php verify_cli.php KEYS ISSUER AUDIENCE [NOW] < assertions
// One assertion a line in, one line of JSON out: its claims, or false.
// KEYS is a JWKS document (.json), or a PEM public key named KEYID.pem.
require dirname(dirname(__DIR__)) . '/docs/php/cocoom_gateway.php';

$find = function ($kid) use ($argv) { return cocoom_gateway_key($argv[1], 'ES256', $kid); };
$want = array('alg' => 'ES256', 'issuer' => $argv[2], 'audience' => $argv[3]);
$now = isset($argv[4]) ? (int) $argv[4] : time();
while (($line = fgets(STDIN)) !== false) {
    echo json_encode(cocoom_gateway_verify(rtrim($line, "\r\n"), $find, $want, $now)), "\n";
}
