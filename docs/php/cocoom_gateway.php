<?php
// Tells a PHP app who is signed in at cocoom-gateway, without touching the app: it verifies the signed assertion
// that comes with each request, fills $_SERVER['REMOTE_USER'], and lets nothing else say who somebody is.
// PHP 5.6 or newer with the openssl extension; no library. In php.ini:
//
//   auto_prepend_file      = /opt/cocoom/cocoom_gateway.php
//   cocoom_gateway.keys    = /var/lib/cocoom/keys   ; see below
//
// Each setting is looked for as a constant (COCOOM_GATEWAY_KEYS), in the environment (the same name), and in
// php.ini (cocoom_gateway.keys):
//
//   keys      whose signature is believed: a directory that "cocoom-gateway keys export" writes, one .pem file of
//             it, a JWKS file (.json), or the address https://HOST/.gateway/jwks.json of any route
//   cache     with an address: a directory that PHP, and nobody else, may write; the copy of the keys lies there
//   mode      require (default): whoever is not signed in gets a 403 page; optional: they go on as nobody
//   user      which claim REMOTE_USER is: email (default), sub (the Slack user id) or name
//   issuer    default https://{host}; {host} is the request's host, so that one setting serves many hosts
//   audience  default {host}
//   alg       ES256 (default), EdDSA (with the sodium extension), RS256 or HS256, as the route's assertion.alg
//   secret    HS256 only: the route's assertion.secret
//   charset   utf-8 (default) or iso-8859-1, as the route's headers.charset
//   header_user, header_email, header_name, header_groups, header_team, header_assertion
//             where the route's headers have other names than the defaults
//
// The identity headers ($_SERVER['HTTP_X_FORWARDED_EMAIL'] and so on) are written anew from the assertion, and are
// absent without one. getallheaders() and filter_input() still show what came: an app must not read them there.
// Scripts that run without a web server, such as cron jobs, are left alone.

if (PHP_SAPI !== 'cli' && PHP_SAPI !== 'phpdbg') {
    cocoom_gateway_guard();
}

// Returns the claims of whoever is signed in as an array; false: nobody is.
function cocoom_gateway_claims()
{
    return isset($GLOBALS['cocoom_gateway_claims']) ? $GLOBALS['cocoom_gateway_claims'] : false;
}

// Runs before the app.
function cocoom_gateway_guard()
{
    $names = array();
    foreach (array('user' => 'X-Forwarded-User', 'email' => 'X-Forwarded-Email', 'name' => 'X-Forwarded-Preferred-Username',
        'groups' => 'X-Forwarded-Groups', 'team' => 'X-Gateway-Team', 'assertion' => 'X-Gateway-Assertion') as $what => $name) {
        $names[$what] = 'HTTP_' . strtoupper(strtr(cocoom_gateway_setting("header_$what", $name), '-.', '__'));
    }
    $jwt = isset($_SERVER[$names['assertion']]) ? $_SERVER[$names['assertion']] : '';
    // First all goes that anybody may have written.
    foreach (array_keys($_SERVER) as $key) {
        if (in_array($key, $names, true) || preg_match('/^((REDIRECT_)*REMOTE_USER|HTTP_(X_)?REMOTE_(USER|EMAIL|NAME|GROUPS)|'
            . 'HTTP_X_(GATEWAY|AUTH_REQUEST)_.*|HTTP_X_FORWARDED_(USER|EMAIL|PREFERRED_USERNAME|GROUPS))$/D', $key)) {
            unset($_SERVER[$key]);
        }
    }
    $why = 'there is none';
    $claims = $jwt === '' ? false : cocoom_gateway_check($jwt, $why);
    $user = cocoom_gateway_setting('user', 'email');
    if ($claims !== false && (!in_array($user, array('email', 'sub', 'name'), true) || !isset($claims[$user]) || !is_string($claims[$user]) || $claims[$user] === '')) {
        $claims = false;
        $why = 'it does not say what REMOTE_USER is to be';
    }
    $GLOBALS['cocoom_gateway_claims'] = $claims;
    if ($claims === false) {
        if ($jwt !== '') error_log("cocoom_gateway: the assertion is refused: $why");
        if (cocoom_gateway_setting('mode', 'require') !== 'optional') cocoom_gateway_refuse();
        return;
    }
    $_SERVER['REMOTE_USER'] = cocoom_gateway_encode($claims[$user]);
    $_SERVER[$names['assertion']] = $jwt;
    foreach (array('user' => 'sub', 'email' => 'email', 'name' => 'name', 'team' => 'team_id') as $what => $claim) {
        if (isset($claims[$claim]) && is_string($claims[$claim])) $_SERVER[$names[$what]] = cocoom_gateway_encode($claims[$claim]);
    }
    if (isset($claims['groups']) && is_array($claims['groups'])) {
        $_SERVER[$names['groups']] = cocoom_gateway_encode(implode(',', array_filter($claims['groups'], 'is_string')));
    }
}

function cocoom_gateway_refuse()
{
    header((isset($_SERVER['SERVER_PROTOCOL']) ? $_SERVER['SERVER_PROTOCOL'] : 'HTTP/1.1') . ' 403 Forbidden');
    header('Content-Type: text/html; charset=utf-8');
    header('Cache-Control: no-store');
    echo '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Please sign in</title></head>',
        '<body><h1>Please sign in</h1><p>This page is only open through its public address, with a sign-in.</p>',
        '<div lang="fr"><h1>Connectez-vous</h1><p>Cette page ne s’ouvre que par son adresse publique, une fois connecté(e).</p></div></body></html>';
    exit;
}

// Returns a setting as text.
function cocoom_gateway_setting($name, $default)
{
    $constant = 'COCOOM_GATEWAY_' . strtoupper($name);
    if (defined($constant)) return (string) constant($constant);
    foreach (array(getenv($constant), get_cfg_var('cocoom_gateway.' . $name)) as $value) {
        if (is_string($value) && $value !== '') return $value;
    }
    return $default;
}

// Verifies an assertion as the settings say. Returns its claims, or false and in $why the reason.
function cocoom_gateway_check($jwt, &$why)
{
    $host = isset($_SERVER['HTTP_HOST']) ? strtolower($_SERVER['HTTP_HOST']) : '';
    $host = rtrim(preg_replace('/:\d*$/D', '', $host), '.');
    if (!preg_match('/^([a-z0-9_.-]+|\[[0-9a-f:.]+\])$/D', $host)) {
        $why = 'the request names no host';
        return false;
    }
    $alg = cocoom_gateway_setting('alg', 'ES256');
    $find = function ($kid) use ($alg) { return cocoom_gateway_key(cocoom_gateway_setting('keys', ''), $alg, $kid); };
    return cocoom_gateway_verify($jwt, $find, array(
        'alg' => $alg,
        'secret' => cocoom_gateway_setting('secret', ''),
        'issuer' => str_replace('{host}', $host, cocoom_gateway_setting('issuer', 'https://{host}')),
        'audience' => str_replace('{host}', $host, cocoom_gateway_setting('audience', '{host}')),
    ), time(), $why);
}

// Verifies an assertion. $find turns a key id into a public key in PEM, or false. $want holds alg, secret (HS256
// only), issuer and audience. Returns the claims as an array, or false and in $why the reason.
function cocoom_gateway_verify($jwt, $find, $want, $now, &$why = null)
{
    $why = 'it is malformed';
    if (strlen($jwt) > 16384 || !preg_match('/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/D', $jwt)) return false;
    $parts = explode('.', $jwt);
    $head = json_decode(cocoom_gateway_base64($parts[0]), true, 8);
    if (!is_array($head) || isset($head['crit'])) return false;
    // The algorithm is ours to choose, never the sender's: "none" ends here, and HS256 with a public key for its secret.
    $why = "its algorithm is not {$want['alg']}";
    if (!isset($head['alg']) || $head['alg'] !== $want['alg']) return false;
    $key = false;
    if ($want['alg'] !== 'HS256') {
        $why = 'its key is unknown';
        if (!isset($head['kid']) || !is_string($head['kid'])) return false;
        $key = call_user_func($find, $head['kid']);
        if ($key === false) return false;
    }
    $why = 'its signature is wrong';
    $signature = cocoom_gateway_base64($parts[2]);
    if (!cocoom_gateway_signed($parts[0] . '.' . $parts[1], $signature, $want['alg'], $key, isset($want['secret']) ? $want['secret'] : '')) return false;

    $claims = json_decode(cocoom_gateway_base64($parts[1]), true, 8);
    $leeway = 30; // seconds, for clocks that differ a little
    $why = 'a claim is missing or malformed';
    if (!isset($claims['iss'], $claims['aud'], $claims['exp']) || !is_int($claims['exp'])) return false;
    if (isset($claims['nbf']) && !is_int($claims['nbf'])) return false;
    $why = 'it is of another issuer';
    if ($claims['iss'] !== $want['issuer']) return false;
    $why = 'it is for another host';
    if (!in_array($want['audience'], (array) $claims['aud'], true)) return false;
    $why = 'it has expired, or is not valid yet';
    if ($now >= $claims['exp'] + $leeway || isset($claims['nbf']) && $now < $claims['nbf'] - $leeway) return false;
    return $claims;
}

// Says whether $signature is that of $signed.
function cocoom_gateway_signed($signed, $signature, $alg, $pem, $secret)
{
    switch ($alg) {
    case 'HS256':
        return strlen($secret) >= 32 && hash_equals(hash_hmac('sha256', $signed, $secret, true), $signature);
    case 'EdDSA':
        if (!function_exists('sodium_crypto_sign_verify_detached')) {
            error_log('cocoom_gateway: EdDSA needs the sodium extension; install it, or have the route sign with ES256');
            return false;
        }
        $der = base64_decode(preg_replace('/-----[^-]*-----|\s/', '', $pem));
        // What stands before every Ed25519 public key (RFC 8410).
        return strlen($signature) === 64 && strlen($der) === 44 && substr($der, 0, 12) === pack('H*', '302a300506032b6570032100')
            && sodium_crypto_sign_verify_detached($signature, $signed, substr($der, 12));
    case 'ES256':
        if (strlen($signature) !== 64) return false;
        // JOSE writes two numbers of 32 bytes each, OpenSSL reads them in DER.
        $signature = cocoom_gateway_der(0x30, cocoom_gateway_der_integer(substr($signature, 0, 32)) . cocoom_gateway_der_integer(substr($signature, 32)));
        break;
    case 'RS256':
        break;
    default:
        error_log('cocoom_gateway: the setting alg must be ES256, EdDSA, RS256 or HS256');
        return false;
    }
    $key = @openssl_pkey_get_public($pem);
    $about = $key ? openssl_pkey_get_details($key) : false;
    $fits = $about && ($alg === 'ES256' ? $about['type'] === OPENSSL_KEYTYPE_EC && $about['bits'] === 256 : $about['type'] === OPENSSL_KEYTYPE_RSA && $about['bits'] >= 2048);
    return $fits && openssl_verify($signed, $signature, $key, OPENSSL_ALGO_SHA256) === 1;
}

// Returns the public key of an id in PEM, or false. $source is the setting keys.
function cocoom_gateway_key($source, $alg, $kid)
{
    if (!preg_match('/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/D', $kid)) return false;
    if (preg_match('#^https?://#', $source)) {
        $keys = cocoom_gateway_fetched($source, cocoom_gateway_setting('cache', ''), $alg, $kid);
    } elseif (substr($source, -5) === '.json') {
        $keys = cocoom_gateway_jwks(@file_get_contents($source), $alg);
    } elseif (substr($source, -4) === '.pem') {
        $keys = array(basename($source, '.pem') => @file_get_contents($source));
    } else {
        $keys = array($kid => $source === '' ? false : @file_get_contents("$source/$kid.pem"));
    }
    return isset($keys[$kid]) ? $keys[$kid] : false;
}

// Returns the keys of an address from the copy in $dir. The copy is renewed every hour and for an id that it does
// not hold, but at most once a minute, by one process at a time. When that fails the old copy goes on.
function cocoom_gateway_fetched($url, $dir, $alg, $kid)
{
    if ($dir === '') {
        error_log('cocoom_gateway: the setting keys is an address, so cache must be a directory');
        return array();
    }
    $copy = $dir . '/jwks-' . sha1($url) . '.json';
    $keys = cocoom_gateway_jwks(@file_get_contents($copy), $alg);
    clearstatcache();
    if (isset($keys[$kid]) && time() - filemtime($copy) < 3600) return $keys;
    $lock = @fopen("$copy.lock", 'c+');
    if (!$lock) error_log("cocoom_gateway: PHP cannot write to the directory $dir, the setting cache");
    // Who has a key need not wait for who is asking already.
    if ($lock && flock($lock, isset($keys[$kid]) ? LOCK_EX | LOCK_NB : LOCK_EX)) {
        if (abs(time() - (int) stream_get_contents($lock)) >= 60) {
            ftruncate($lock, 0);
            rewind($lock);
            fwrite($lock, (string) time());
            fflush($lock);
            cocoom_gateway_fetch($url, $copy, $alg);
        }
        flock($lock, LOCK_UN);
        $keys = cocoom_gateway_jwks(@file_get_contents($copy), $alg);
    }
    return $keys;
}

// Replaces a copy in one step, if the address gives keys.
function cocoom_gateway_fetch($url, $copy, $alg)
{
    $context = stream_context_create(array('http' => array('timeout' => 3, 'follow_location' => 0, 'header' => 'Accept: application/json')));
    $jwks = @file_get_contents($url, false, $context, 0, 65536);
    if (!cocoom_gateway_jwks($jwks, $alg)) {
        error_log("cocoom_gateway: $url gives no keys for $alg (with allow_url_fopen off, use cocoom-gateway keys export)");
        return;
    }
    $fresh = tempnam(dirname($copy), 'new');
    if ($fresh === false || file_put_contents($fresh, $jwks) === false || !rename($fresh, $copy)) {
        error_log("cocoom_gateway: the keys cannot be written to $copy");
    }
}

// Turns a JWKS document into array(key id => PEM), with the keys that are good for $alg.
function cocoom_gateway_jwks($jwks, $alg)
{
    $kinds = array('ES256' => 'EC P-256', 'EdDSA' => 'OKP Ed25519', 'RS256' => 'RSA');
    $set = json_decode((string) $jwks, true, 8);
    $keys = array();
    foreach (isset($set['keys']) && is_array($set['keys']) ? $set['keys'] : array() as $key) {
        if (!is_array($key)) continue;
        $key = array_filter($key, 'is_string') + array('kid' => '', 'kty' => '', 'crv' => '', 'use' => 'sig', 'alg' => $alg, 'x' => '', 'y' => '', 'n' => '', 'e' => '');
        $kind = trim($key['kty'] . ' ' . $key['crv']);
        if ($key['kid'] === '' || $key['use'] !== 'sig' || $key['alg'] !== $alg || !isset($kinds[$alg]) || $kind !== $kinds[$alg]) continue;
        $x = cocoom_gateway_base64($key['x']);
        $y = cocoom_gateway_base64($key['y']);
        if ($alg === 'ES256' && strlen($x) === 32 && strlen($y) === 32) {
            // What stands before the point (x, y) in every P-256 public key (RFC 5480).
            $der = pack('H*', '3059301306072a8648ce3d020106082a8648ce3d03010703420004') . $x . $y;
        } elseif ($alg === 'EdDSA' && strlen($x) === 32) {
            $der = pack('H*', '302a300506032b6570032100') . $x; // RFC 8410
        } elseif ($alg === 'RS256' && $key['n'] !== '' && $key['e'] !== '') {
            $rsa = cocoom_gateway_der(0x30, cocoom_gateway_der_integer(cocoom_gateway_base64($key['n'])) . cocoom_gateway_der_integer(cocoom_gateway_base64($key['e'])));
            $der = cocoom_gateway_der(0x30, pack('H*', '300d06092a864886f70d0101010500') . cocoom_gateway_der(0x03, "\0" . $rsa)); // RFC 3279
        } else {
            continue;
        }
        $keys[$key['kid']] = "-----BEGIN PUBLIC KEY-----\n" . chunk_split(base64_encode($der), 64, "\n") . "-----END PUBLIC KEY-----\n";
    }
    return $keys;
}

function cocoom_gateway_base64($text)
{
    return (string) base64_decode(strtr($text, '-_', '+/'), true);
}

function cocoom_gateway_der_integer($bytes)
{
    $bytes = ltrim($bytes, "\0");
    if ($bytes === '' || ord($bytes[0]) > 127) $bytes = "\0" . $bytes; // positive, in DER
    return cocoom_gateway_der(0x02, $bytes);
}

function cocoom_gateway_der($tag, $content)
{
    $length = ltrim(pack('N', strlen($content)), "\0");
    if (strlen($content) > 127) $length = chr(0x80 | strlen($length)) . $length;
    return chr($tag) . ($length === '' ? "\0" : $length) . $content;
}

// Writes text as the app expects it, without control characters.
function cocoom_gateway_encode($text)
{
    $text = preg_replace('/[\x00-\x1f\x7f]/', '?', $text);
    if (strtolower(cocoom_gateway_setting('charset', 'utf-8')) !== 'iso-8859-1') return $text;
    $text = preg_replace('/[^\x{00}-\x{ff}]/u', '?', $text);
    return preg_replace_callback('/[\xc2\xc3][\x80-\xbf]/', function ($c) { return chr((ord($c[0][0]) & 3) << 6 | ord($c[0][1]) & 63); }, $text);
}
