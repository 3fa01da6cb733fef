<?php
// A small real PHP app to stand behind the gateway in tests:
//   php -S 127.0.0.1:PORT index.php
// /whoami  who it sees, as JSON       /server  $_SERVER as JSON
// /query   the query string, as is    /notify  calls the webhook, says what came of it
// any other path: the same as /whoami, as a page
//
// Environment: HOOK_URL, HOOK_TOKEN, and HOOK_HOST where HOOK_URL holds an address instead of the
// name; JWKS_URL (or a file), ISSUER and AUDIENCE to have the assertion checked.
// SESSION_DIR is where PHP keeps its sessions.
require dirname(__DIR__) . '/verify_assertion.php';

if (getenv('SESSION_DIR')) session_save_path(getenv('SESSION_DIR'));
session_start();
$_SESSION['count'] = isset($_SESSION['count']) ? $_SESSION['count'] + 1 : 1;

function server($name)
{
    return isset($_SERVER[$name]) ? $_SERVER[$name] : null;
}

function html($text)
{
    return htmlspecialchars((string) $text, ENT_QUOTES, 'UTF-8');
}

function answer($data)
{
    header('Content-Type: application/json');
    // What is no UTF-8 becomes null instead of spoiling the whole answer.
    echo json_encode($data, JSON_PARTIAL_OUTPUT_ON_ERROR), "\n";
}

// The claims of the assertion; false if it is bad, null if there is none or nothing to check it with.
function assertion()
{
    $jwt = server('HTTP_X_GATEWAY_ASSERTION');
    if ($jwt === null || !getenv('JWKS_URL')) return null;
    $jwks = @file_get_contents(getenv('JWKS_URL'));
    return assertion_verify($jwt, assertion_keys($jwks), getenv('ISSUER'), getenv('AUDIENCE'), time());
}

function whoami()
{
    return array(
        'user' => server('HTTP_X_FORWARDED_USER'),
        'email' => server('HTTP_X_FORWARDED_EMAIL'),
        'name' => server('HTTP_X_FORWARDED_PREFERRED_USERNAME'),
        'groups' => server('HTTP_X_FORWARDED_GROUPS'),
        'team' => server('HTTP_X_GATEWAY_TEAM'),
        'basic_user' => server('PHP_AUTH_USER'),
        'basic_password' => server('PHP_AUTH_PW'),
        'host' => server('HTTP_HOST'),
        'session' => session_id(),
        'count' => $_SESSION['count'],
        'assertion' => assertion(),
    );
}

// Calls the webhook with ?to=, ?text= and ?key= and returns status and answer.
function notify()
{
    $f = http_build_query(array('to' => $_GET['to'], 'text' => $_GET['text'], 'type' => 'task.assigned', 'key' => $_GET['key']));
    $host = getenv('HOOK_HOST') ? "\r\nHost: " . getenv('HOOK_HOST') : '';
    $c = stream_context_create(array('http' => array('method' => 'POST', 'timeout' => 3, 'ignore_errors' => true,
         'header' => "Content-Type: application/x-www-form-urlencoded\r\nAuthorization: Bearer " . getenv('HOOK_TOKEN') . $host, 'content' => $f)));
    $r = @file_get_contents(getenv('HOOK_URL'), false, $c);
    $ok = $r !== false && preg_match('/ 20[02] /', $http_response_header[0] . ' ');
    return array('ok' => (bool) $ok, 'status' => $r === false ? null : $http_response_header[0], 'answer' => $r);
}

switch (parse_url(server('REQUEST_URI'), PHP_URL_PATH)) {
case '/whoami':
    answer(whoami());
    break;
case '/server':
    answer($_SERVER);
    break;
case '/query':
    header('Content-Type: text/plain');
    echo isset($_SERVER['QUERY_STRING']) ? $_SERVER['QUERY_STRING'] : '';
    break;
case '/notify':
    answer(notify());
    break;
default:
    header('Content-Type: text/html; charset=utf-8');
    echo '<!DOCTYPE html><html lang="fr"><head><meta charset="utf-8"><title>Application PHP</title></head><body>';
    echo '<h1>Application PHP</h1><p id="path">', html(server('REQUEST_URI')), '</p><dl id="whoami">';
    foreach (whoami() as $name => $value) {
        echo '<dt>', html($name), '</dt><dd data-field="', html($name), '">', html(is_scalar($value) || $value === null ? $value : json_encode($value)), '</dd>';
    }
    echo '</dl></body></html>';
}
