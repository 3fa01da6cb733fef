<?php
// php verify_cli.php KEYS ISSUER AUDIENCE [NOW] < assertions
// One assertion a line in, one line of JSON out: its claims, or false.
// KEYS is a JWKS document, or a PEM public key named KEYID.pem.
require __DIR__ . '/verify_assertion.php';

$file = file_get_contents($argv[1]);
$keys = substr($argv[1], -4) === '.pem' ? array(basename($argv[1], '.pem') => $file) : assertion_keys($file);
$now = isset($argv[4]) ? (int) $argv[4] : time();
while (($line = fgets(STDIN)) !== false) {
    echo json_encode(assertion_verify(rtrim($line, "\r\n"), $keys, $argv[2], $argv[3], $now)), "\n";
}
