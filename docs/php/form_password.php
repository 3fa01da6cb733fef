<?php
// The password that the gateway enters into an app's login form for a person, where the route
// says form: {derive_from: …}. Set it in the app once, when the account is made.
// PHP >= 5.3, no library.
//
// $secret  the same as derive_from     $team, $user  Slack's ids, such as T0AGRAF001 and U0MARIE
function form_password($secret, $team, $user)
{
    $said = '';
    foreach (array('cocoom-gateway form password', $team, $user) as $part) {
        $said .= pack('NN', 0, strlen($part)) . $part;
    }
    return rtrim(strtr(base64_encode(hash_hmac('sha256', $said, $secret, true)), '+/', '-_'), '=');
}
