<?php
// A small real PHP app to stand behind the gateway in tests:
//   php -S 127.0.0.1:PORT
// /whoami  who it sees, as JSON       /server  $_SERVER as JSON
// /query   the query string, as is    /notify  calls the webhook, says what came of it
// /note?text=  keeps a note in PHP's session    /logout.php  ends PHP's session
// any other path: the same as /whoami, as a page
//
// Environment: HOOK_URL, HOOK_TOKEN, and HOOK_HOST where HOOK_URL holds an address instead of the
// name. SESSION_DIR is where PHP keeps its sessions. The assertion is shown where
// docs/php/cocoom_gateway.php is prepended, which the app knows nothing of otherwise.

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
        'assertion' => function_exists('cocoom_gateway_claims') ? cocoom_gateway_claims() : null,
        'remote_user' => server('REMOTE_USER'),
        'note' => isset($_SESSION['note']) ? $_SESSION['note'] : null,
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
case '/note':
    $_SESSION['note'] = $_GET['text'];
    answer(whoami());
    break;
case '/logout.php': // as in the manual of session_destroy()
    $_SESSION = array();
    setcookie(session_name(), '', time() - 42000, '/');
    session_destroy();
    header('Location: /login.php');
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
    echo '</dl><p><a id="logout" href="/logout.php">Se déconnecter</a></p></body></html>';
}
