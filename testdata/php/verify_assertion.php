<?php
// Verifies the signed assertion (header X-Gateway-Assertion) of the person who is signed in.
// PHP 5.6 or newer with the openssl extension; no library. Every function is pure.

// Returns the claims as an array, or false if anything at all is wrong with the assertion.
// $keys: array(key id => public key in PEM). $issuer: the site's address. $audience: its host name.
function assertion_verify($jwt, $keys, $issuer, $audience, $now)
{
    $parts = explode('.', $jwt);
    if (count($parts) !== 3) return false;
    $head = json_decode(assertion_base64($parts[0]), true);
    // The algorithm is ours to choose, never the sender's: "none" and HS256 end here.
    if (!isset($head['alg'], $head['kid']) || $head['alg'] !== 'ES256' || isset($head['crit'])) return false;
    if (!is_string($head['kid']) || !isset($keys[$head['kid']])) return false;
    $signature = assertion_base64($parts[2]);
    if (strlen($signature) !== 64) return false;
    $der = assertion_der_integer(substr($signature, 0, 32)) . assertion_der_integer(substr($signature, 32));
    $der = "\x30" . chr(strlen($der)) . $der;
    $signed = $parts[0] . '.' . $parts[1];
    if (openssl_verify($signed, $der, $keys[$head['kid']], OPENSSL_ALGO_SHA256) !== 1) return false;

    $claims = json_decode(assertion_base64($parts[1]), true);
    $leeway = 30; // seconds, for clocks that differ a little
    if (!isset($claims['iss'], $claims['aud'], $claims['exp'])) return false;
    if ($claims['iss'] !== $issuer || !in_array($audience, (array) $claims['aud'], true)) return false;
    if (!is_int($claims['exp']) || $now >= $claims['exp'] + $leeway) return false;
    if (isset($claims['nbf']) && (!is_int($claims['nbf']) || $now < $claims['nbf'] - $leeway)) return false;
    return $claims;
}

// Turns the JWKS document into array(key id => PEM), the $keys of assertion_verify.
function assertion_keys($jwks)
{
    $keys = array();
    $set = json_decode($jwks, true);
    foreach (isset($set['keys']) ? $set['keys'] : array() as $key) {
        if (!isset($key['kid'], $key['crv'], $key['x'], $key['y']) || $key['crv'] !== 'P-256') continue;
        // What stands before the point (x, y) in every P-256 public key (RFC 5480).
        $der = pack('H*', '3059301306072a8648ce3d020106082a8648ce3d03010703420004')
             . assertion_base64($key['x']) . assertion_base64($key['y']);
        $keys[$key['kid']] = "-----BEGIN PUBLIC KEY-----\n" . chunk_split(base64_encode($der), 64, "\n") . "-----END PUBLIC KEY-----\n";
    }
    return $keys;
}

function assertion_base64($text)
{
    return (string) base64_decode(strtr($text, '-_', '+/'), true);
}

function assertion_der_integer($bytes)
{
    $bytes = ltrim($bytes, "\0");
    if ($bytes === '' || ord($bytes[0]) > 127) $bytes = "\0" . $bytes; // positive, in DER
    return "\x02" . chr(strlen($bytes)) . $bytes;
}
