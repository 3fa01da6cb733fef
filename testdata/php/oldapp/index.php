<?php
// An old PHP app that knows nothing of the gateway: a login form with a token, PHPSESSID, and pages
// in ISO-8859-1. It is signed in to by people, or by the gateway in their place.
//   php -S 127.0.0.1:PORT index.php
//
// Environment: ACCOUNTS ("email=team/user …"), SECRET (their passwords are derived from it), and
// SESSION_DIR, where PHP keeps its sessions.
require dirname(dirname(dirname(__DIR__))) . '/docs/php/form_password.php';

session_save_path(getenv('SESSION_DIR'));
ini_set('session.use_strict_mode', '1');
session_start();
header('Content-Type: text/html; charset=iso-8859-1');

function html($text)
{
    return htmlspecialchars((string) $text, ENT_QUOTES, 'ISO-8859-1');
}

function page($body)
{
    echo '<html><head><title>Cocoom</title></head><body><h1>Cocoom, g', "\xe9", 'r', "\xe9", '</h1>', $body, '</body></html>';
    exit;
}

// The user's password; false if there is no such user.
function password_of($login)
{
    foreach (explode(' ', getenv('ACCOUNTS')) as $account) {
        list($email, $ids) = explode('=', $account);
        list($team, $user) = explode('/', $ids);
        if ($email === $login) return form_password(getenv('SECRET'), $team, $user);
    }
    return false;
}

function login_form($message)
{
    if (empty($_SESSION['jeton'])) $_SESSION['jeton'] = md5(uniqid('', true));
    page('<table><form method="post" action="login.php"><tr><td>Identifiant</td><td><input name="login"></td></tr>'
        . '<tr><td>Mot de passe</td><td><input type="password" name="passe"></td></tr>'
        . '<input type="hidden" name="jeton" value="' . $_SESSION['jeton'] . '"><input type="hidden" name="accent" value="' . "\xe9t\xe9" . '">'
        . '<tr><td><input type="submit" name="entrer" value="Entrer"></td></tr></form></table><p id="message">' . $message . '</p>');
}

function login()
{
    $known = isset($_SESSION['jeton'], $_POST['jeton'], $_POST['entrer'], $_POST['accent']) && $_POST['jeton'] === $_SESSION['jeton'] && $_POST['accent'] === "\xe9t\xe9";
    $password = $known ? password_of($_POST['login']) : false;
    if ($password === false || $_POST['passe'] !== $password) login_form('Identifiants incorrects');
    session_regenerate_id(true);
    $_SESSION['user'] = $_POST['login'];
    header('Location: /');
    exit;
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/login.php') {
    if ($_SERVER['REQUEST_METHOD'] === 'POST') login();
    login_form('');
}
if (empty($_SESSION['user'])) {
    header('Location: /login.php');
    exit;
}
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $_SESSION['note'] = $_POST['note'];
}
page('<p id="user">' . html($_SESSION['user']) . '</p><p id="path">' . html($path) . '</p><p id="note">' . html(isset($_SESSION['note']) ? $_SESSION['note'] : '')
    . '</p><form method="post" action="/notes"><textarea name="note"></textarea><button id="garder">Garder</button></form>');
