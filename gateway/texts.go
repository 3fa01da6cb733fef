package gateway

import (
	"maps"
	"strings"
)

// text is what a page says. {workspace} and {host} stand for the route's.
type text struct {
	Title string
	Text  []string
	Link  string // label of the next step
}

// textFor gives the text of a code in a language.
func textFor(lang, code string, rt *Route) text {
	t, ok := texts[lang][code]
	if !ok {
		t = texts[lang]["internal"]
	}
	workspace, host := "", ""
	if rt != nil {
		workspace, host = rt.workspace(), rt.Host
	}
	fill := strings.NewReplacer("{workspace}", workspace, "{host}", host)
	said := func(s string) string {
		if lang == "fr" {
			s = frenchSpaces.Replace(s)
		}
		return fill.Replace(s)
	}
	out := text{Title: said(t.Title), Link: said(t.Link)}
	for _, p := range t.Text {
		out.Text = append(out.Text, said(p))
	}
	return out
}

// frenchSpaces keeps a line from beginning with a mark that French writes with a
// space before it.
var frenchSpaces = strings.NewReplacer(" ?", "\u00a0?", " !", "\u00a0!", " ;", "\u00a0;", " :", "\u00a0:", "« ", "«\u00a0", " »", "\u00a0»")

// naming puts detail where the text says {detail}.
func (t text) naming(detail string) text {
	for i, p := range t.Text {
		t.Text[i] = strings.ReplaceAll(p, "{detail}", detail)
	}
	return t
}

var texts = map[string]map[string]text{"en": both(english, setupDoorEnglish), "fr": both(french, setupDoorFrench)}

// both are the texts of a and b.
func both(a, b map[string]text) map[string]text {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

var english = map[string]text{
	"unknown_host":         {"No such site here", []string{"Nothing is served under this address. Check the spelling of the name before the first dot."}, ""},
	"ambiguous_path":       {"This address cannot be read", []string{"It is written in a way that can be understood differently, so it was not passed on. If you typed it, check it; if a link led you here, give it and the request number below to whoever looks after {host}."}, "Go to the start page"},
	"method_not_served":    {"This kind of request is not served", nil, ""},
	"method_not_allowed":   {"This kind of request is not served here", nil, ""},
	"not_found":            {"There is no such page", []string{"The address does not exist on {host}."}, ""},
	"foreign_origin":       {"This request comes from another site", []string{"Only pages of {host} itself may do this. If you came here by a button on another page, open {host} and do it there.", "If you were on {host} already, this is not your doing: give the request number below to whoever looks after it."}, "Go to the start page"},
	"internal":             {"Something went wrong", []string{"This is our fault. Please try again; if it stays, tell your administrator the request number below."}, ""},
	"proxy_not_trusted":    {"This site is not set up right", []string{"The web server in front of it may not ask who is signed in. Your administrator can find the reason under the request number below."}, ""},
	"proxy_unclear":        {"This site is not set up right", []string{"The web server in front of it does not say clearly what you asked for. Your administrator can find the reason under the request number below."}, ""},
	"store_unavailable":    {"Please try again in a moment", []string{"The sign-in cannot be written down right now. Nothing is lost."}, "Try again"},
	"sessions_unchecked":   {"Your sign-in cannot be checked right now", []string{"You are still signed in, but a part of this site is out of reach. Please try again in a moment."}, "Try again"},
	"sessions_not_ended":   {"Nothing has been signed out yet", []string{"Your sign-ins could not be ended right now: you are still signed in, here and elsewhere. Please try again in a moment."}, "Go back"},
	"sign_in_required":     {"Please sign in", []string{"This needs a sign-in with Slack."}, "Sign in with Slack"},
	"form_not_sent":        {"Your sign-in has ended, so the form was not sent", []string{"Sign in again in a new tab, then go back to the form with your browser’s back button and send it once more: what you wrote is usually still there."}, "Sign in with Slack"},
	"not_allowed":          {"You may not open this page", []string{"You are signed in, but this page is reserved for others. Ask your administrator if you need it."}, "Go to the start page"},
	"token_invalid":        {"This service token is not good here", []string{"It is unknown on {host}, or it has expired."}, ""},
	"token_required":       {"This needs a service token", []string{"Send it as Authorization: Bearer, or as the password of HTTP Basic with any user name."}, ""},
	"token_not_allowed":    {"This service token may not be used here", []string{"It is good on other addresses of {host} only, or a person has to sign in for this one."}, ""},
	"maintenance":          {"We will be back soon", []string{"{host} is being worked on and is not available for the moment."}, "Try again"},
	"break_glass":          {"Emergency access", []string{"Slack cannot be used to sign in at the moment, so an operator has made this link for you. It works once, in this browser.", "If you are somebody else, close this page."}, ""},
	"link_spent":           {"This link is no longer good", []string{"It was used already, its time is over, or it never existed. Ask the operator who gave it to you for another one."}, "Go to the start page"},
	"sign_in_stale":        {"This sign-in cannot be finished", []string{"It took too long, was already used, or belongs to another site. Simply begin again."}, "Sign in with Slack"},
	"cookies_missing":      {"Your browser did not keep the sign-in", []string{"Slack sent you back, but without the cookie that {host} had left in this browser. Either the browser blocks cookies of {host}, or the sign-in was begun in another browser or in the built-in window of another app.", "Allow cookies for {host}, stay in one browser, and try again."}, "Try again"},
	"too_many_sign_ins":    {"Too many sign-ins come from your network", []string{"From your Internet address, which you may share with others, far more sign-ins to {host} than usual were begun just now. Whoever is signed in stays so.", "Wait a minute, then try again. If it stays, give the request number below to whoever looks after {host}."}, "Try again"},
	"too_many_failures":    {"Too many tries have failed", []string{"Too many links or tokens that are not good have come from your Internet address, which you may share with others. Yours is not good either, or could not be checked just now.", "Wait a minute, then begin again, or open the link again that you were given. If it stays, ask whoever gave it to you for another one."}, "Go to the start page"},
	"sign_in_cancelled":    {"The sign-in was cancelled", []string{"You can begin again whenever you like."}, "Sign in with Slack"},
	"wrong_workspace":      {"This is not the right Slack workspace", []string{"{host} is open to the people of the workspace {workspace}. You came with an account of another workspace, or of none.", "The button leads to Slack again. There, choose {workspace} in the menu at the top right; if it is not in the list, sign in to it from that menu."}, "Sign in with {workspace}"},
	"email_unverified":     {"Your e-mail address is not confirmed", []string{"Slack says that the e-mail address of your account is not confirmed yet. Confirm it in Slack, then sign in again."}, "Sign in again"},
	"deactivated":          {"Your Slack account is deactivated", []string{"The workspace {workspace} has deactivated this account. Ask its administrator if that is a mistake."}, "Sign in with another account"},
	"guest":                {"Guests have no access", []string{"You are a guest in the workspace {workspace}; {host} is open to its full members only. Ask its administrator if you need access."}, "Sign in with another account"},
	"two_factor_missing":   {"Slack asks for two-factor authentication first", []string{"{workspace} requires two-factor authentication, and your Slack account has none yet. Set it up in Slack, then sign in again."}, "Sign in again"},
	"app_not_admitted":     {"Your workspace does not allow this sign-in", []string{"Slack says that {workspace} does not allow this app, or not for you. An administrator of {workspace} can approve it in Slack, under “Manage apps”."}, "Try again"},
	"workspace_moving":     {"Slack is moving your workspace", []string{"{workspace} is on its way into an organisation, and Slack lets nobody sign in meanwhile. Please try again later; an administrator of {workspace} knows how long it takes."}, "Try again"},
	"slack_setup":          {"The connection to Slack is not set up right", []string{"You are not at fault: Slack refused the sign-in because of this site’s settings.", "Please tell whoever looks after {host}, and give them the request number below: with it they find in the log what to mend. An administrator of {workspace} knows who that is."}, "Try again"},
	"signature":            {"This does not come from Slack", []string{"Only what Slack has signed is taken here."}, ""},
	"email_changed":        {"Your e-mail address has changed", []string{"In Slack your e-mail address is no longer {detail}, by which {host} knows you. To protect your account, nobody gets in until that is confirmed.", "Ask the administrator of {host} to accept the new address."}, "Sign in again"},
	"account_unchecked":    {"We cannot check your account now", []string{"Slack has not answered for a long time, so we cannot tell whether you may still come in. Please try again in a moment."}, "Try again"},
	"slack_answer":         {"Slack’s answer could not be used", []string{"The sign-in could not be verified, so nobody was signed in. Please try again."}, "Try again"},
	"slack_unavailable":    {"Slack cannot be reached right now", []string{"Signing in needs Slack, and Slack does not answer. Please try again in a moment."}, "Try again"},
	"slack_busy":           {"Many people are signing in right now", []string{"Slack takes only so many sign-ins a minute, and more have come. Please try again in a moment."}, "Try again"},
	"last_round":           {"", []string{"This was the third try in a row, and one more will hardly help. Please tell whoever looks after {host}, and give them the request number below. An administrator of {workspace} knows who that is."}, "Begin again all the same"},
	"upstream_unavailable": {"The application does not answer", []string{"You are not at fault. Please try again in a moment; if it stays, tell your administrator the request number below."}, ""},
	"upstream_timeout":     {"The application takes too long to answer", []string{"It may still be working on your request. Wait a moment before you send it again."}, ""},
	"app_account_refused":  {"The application did not accept your account", []string{"You are signed in with Slack, but the application behind it has no account for you, or did not accept it. Ask your administrator, with the request number below; then wait a minute before you try again."}, ""},
	"app_sign_in_failed":   {"The application could not sign you in", []string{"You are not at fault: its own sign-in did not work just now. Please try again in a moment; if it stays, tell your administrator the request number below."}, ""},
	"client_gone":          {"You did not wait for the answer", nil, ""},
	"body_malformed":       {"What you sent cannot be read", []string{"The request broke off or is malformed."}, ""},
	"body_silent":          {"What you sent did not arrive whole", []string{"The connection fell silent in the middle. Please try again."}, ""},
	"too_large":            {"That is too large", []string{"What you sent is larger than this site accepts."}, ""},
	"account":              {"Signed in", []string{"You are signed in to {host} with your Slack account."}, "Back to the application"},
	"sign_out":             {"Sign out?", []string{"This ends your sign-in to {host} in this browser. You stay signed in to Slack."}, "No, go back"},
	"signed_out":           {"You are signed out", []string{"Your sign-in to {host} has ended in this browser. You are still signed in to Slack."}, "Sign in again"},
	"form_too_large":       {"This form is too large to be kept", []string{"Your sign-in has ended, so it was not sent, and it is larger than what can be kept for you meanwhile.", "Sign in again in a new tab, then go back to the form with your browser’s back button and send it once more: what you wrote is usually still there."}, "Sign in with Slack"},
	"form_kept":            {"Your sign-in has ended; your form is kept", []string{"It has not been sent yet. Sign in again within 15 minutes, and you can send it with one button."}, "Sign in with Slack"},
	"form_gone":            {"This form is not here", []string{"A form is kept for 15 minutes, and only in the browser that it was written in. Perhaps it was sent already: look in the application. If it was not, your browser’s back button may still lead to it."}, "Go to the start page"},
	"form_foreign":         {"This form is somebody else’s", []string{"It was written by another person than the one who is signed in now. It was not sent, and only that person can see and send it, by signing in here within 15 minutes."}, "Go to the start page"},
	"form_sent":            {"This form has been passed on already", []string{"A form is passed on to the application only once, so that nothing happens twice. Look there whether it has arrived."}, "Back to the application"},
	"form_unavailable":     {"Please try again in a moment", []string{"The form cannot be read right now. It has not been sent."}, "Try again"},
	"form_unreached":       {"The application does not answer", []string{"Your form has not reached it and is still kept, for 15 minutes since you wrote it. Please try again in a moment."}, "Try again"},
	"form_uncertain":       {"The application did not answer", []string{"It may have received your form all the same, so it is not sent a second time. Look in the application first. What you wrote can still be read for a few minutes."}, "Read what you wrote"},
	"form":                 {"Send it now?", []string{"Your sign-in had ended when you sent this form. It was kept, and has not been sent yet."}, "Do not send it"},
}

var french = map[string]text{
	"unknown_host":         {"Aucun site à cette adresse", []string{"Rien n’est servi sous cette adresse. Vérifiez l’orthographe du nom avant le premier point."}, ""},
	"ambiguous_path":       {"Cette adresse est illisible", []string{"Telle qu’elle est écrite, elle peut se comprendre de plusieurs façons ; elle n’a donc pas été transmise. Si vous l’avez saisie, vérifiez-la ; si un lien vous a amené(e) ici, donnez-le avec le numéro de requête ci-dessous à la personne qui s’occupe de {host}."}, "Aller à l’accueil"},
	"method_not_served":    {"Ce type de requête n’est pas servi", nil, ""},
	"method_not_allowed":   {"Ce type de requête n’est pas servi ici", nil, ""},
	"not_found":            {"Cette page n’existe pas", []string{"L’adresse n’existe pas sur {host}."}, ""},
	"foreign_origin":       {"Cette requête vient d’un autre site", []string{"Seules les pages de {host} peuvent faire cela. Si un bouton d’une autre page vous a amené(e) ici, ouvrez {host} et faites-le là.", "Si vous étiez déjà sur {host}, vous n’y êtes pour rien : donnez le numéro de requête ci-dessous à la personne qui s’en occupe."}, "Aller à l’accueil"},
	"internal":             {"Une erreur est survenue", []string{"C’est de notre fait. Réessayez ; si cela persiste, indiquez à votre administrateur le numéro de requête ci-dessous."}, ""},
	"proxy_not_trusted":    {"Ce site est mal configuré", []string{"Le serveur web placé devant lui n’a pas le droit de demander qui est connecté. Votre administrateur en trouvera la raison sous le numéro de requête ci-dessous."}, ""},
	"proxy_unclear":        {"Ce site est mal configuré", []string{"Le serveur web placé devant lui ne dit pas clairement ce que vous avez demandé. Votre administrateur en trouvera la raison sous le numéro de requête ci-dessous."}, ""},
	"store_unavailable":    {"Réessayez dans un instant", []string{"La connexion ne peut pas être enregistrée pour le moment. Rien n’est perdu."}, "Réessayer"},
	"sessions_unchecked":   {"Votre connexion ne peut pas être vérifiée pour le moment", []string{"Vous êtes toujours connecté(e), mais une partie de ce site est injoignable. Réessayez dans un instant."}, "Réessayer"},
	"sessions_not_ended":   {"Rien n’a encore été déconnecté", []string{"Vos sessions n’ont pas pu être fermées : vous êtes toujours connecté(e), ici et ailleurs. Réessayez dans un instant."}, "Revenir"},
	"sign_in_required":     {"Connectez-vous", []string{"Il faut se connecter avec Slack."}, "Se connecter avec Slack"},
	"form_not_sent":        {"Votre session est terminée, le formulaire n’a pas été envoyé", []string{"Reconnectez-vous dans un nouvel onglet, puis revenez au formulaire avec le bouton Précédent du navigateur et renvoyez-le : votre saisie y est le plus souvent encore."}, "Se connecter avec Slack"},
	"not_allowed":          {"Vous n’avez pas accès à cette page", []string{"Vous êtes bien connecté(e), mais cette page est réservée à d’autres personnes. Adressez-vous à votre administrateur si vous en avez besoin."}, "Aller à l’accueil"},
	"token_invalid":        {"Ce jeton de service n’est pas valable ici", []string{"Il est inconnu sur {host}, ou il a expiré."}, ""},
	"token_required":       {"Il faut un jeton de service", []string{"Envoyez-le dans Authorization: Bearer, ou comme mot de passe HTTP Basic avec un nom d’utilisateur quelconque."}, ""},
	"token_not_allowed":    {"Ce jeton de service ne peut pas servir ici", []string{"Il vaut pour d’autres adresses de {host} seulement, ou celle-ci demande qu’une personne se connecte."}, ""},
	"maintenance":          {"Nous revenons bientôt", []string{"{host} est en maintenance et n’est pas disponible pour le moment."}, "Réessayer"},
	"break_glass":          {"Accès de secours", []string{"La connexion par Slack est impossible pour le moment ; un administrateur a donc créé ce lien pour vous. Il sert une seule fois, dans ce navigateur.", "Si vous êtes quelqu’un d’autre, fermez cette page."}, ""},
	"link_spent":           {"Ce lien n’est plus valable", []string{"Il a déjà servi, son délai est passé, ou il n’a jamais existé. Demandez-en un autre à la personne qui vous l’a donné."}, "Aller à l’accueil"},
	"sign_in_stale":        {"Cette connexion ne peut pas aboutir", []string{"Elle a pris trop de temps, a déjà servi ou concerne un autre site. Il suffit de recommencer."}, "Se connecter avec Slack"},
	"cookies_missing":      {"Votre navigateur n’a pas gardé la connexion", []string{"Slack vous a bien renvoyé(e) ici, mais sans le cookie que {host} avait laissé dans ce navigateur. Soit le navigateur bloque les cookies de {host}, soit la connexion a été commencée dans un autre navigateur ou dans la fenêtre intégrée d’une autre application.", "Autorisez les cookies de {host}, restez dans le même navigateur, puis réessayez."}, "Réessayer"},
	"too_many_sign_ins":    {"Trop de connexions viennent de votre réseau", []string{"Depuis votre adresse Internet, que vous partagez peut-être avec d’autres, bien plus de connexions à {host} que d’habitude viennent d’être commencées. Les personnes déjà connectées le restent.", "Attendez une minute, puis réessayez. Si cela persiste, donnez le numéro de requête ci-dessous à la personne qui s’occupe de {host}."}, "Réessayer"},
	"too_many_failures":    {"Trop d’essais ont échoué", []string{"Trop de liens ou de jetons non valables sont venus de votre adresse Internet, que vous partagez peut-être avec d’autres. Le vôtre n’est pas valable non plus, ou n’a pas pu être vérifié à l’instant.", "Attendez une minute, puis recommencez, ou rouvrez le lien reçu. Si cela persiste, demandez-en un autre à la personne qui vous l’a donné."}, "Aller à l’accueil"},
	"sign_in_cancelled":    {"La connexion a été annulée", []string{"Vous pouvez recommencer quand vous voulez."}, "Se connecter avec Slack"},
	"wrong_workspace":      {"Ce n’est pas le bon espace de travail Slack", []string{"{host} est ouvert aux membres de l’espace de travail {workspace}. Vous êtes venu(e) avec un compte d’un autre espace, ou sans compte.", "Le bouton ramène à Slack. Choisissez-y {workspace} dans le menu en haut à droite ; s’il n’est pas dans la liste, connectez-vous-y depuis ce menu."}, "Se connecter avec {workspace}"},
	"email_unverified":     {"Votre adresse e-mail n’est pas confirmée", []string{"Slack indique que l’adresse e-mail de votre compte n’est pas encore confirmée. Confirmez-la dans Slack, puis reconnectez-vous."}, "Se reconnecter"},
	"deactivated":          {"Votre compte Slack est désactivé", []string{"L’espace de travail {workspace} a désactivé ce compte. Adressez-vous à son administrateur s’il s’agit d’une erreur."}, "Se connecter avec un autre compte"},
	"guest":                {"Les invités n’ont pas accès", []string{"Vous êtes invité(e) dans l’espace de travail {workspace} ; {host} est réservé à ses membres. Adressez-vous à son administrateur si vous avez besoin d’un accès."}, "Se connecter avec un autre compte"},
	"two_factor_missing":   {"Slack demande d’abord l’authentification à deux facteurs", []string{"{workspace} exige l’authentification à deux facteurs, et votre compte Slack ne l’a pas encore. Activez-la dans Slack, puis reconnectez-vous."}, "Se reconnecter"},
	"app_not_admitted":     {"Votre espace de travail n’autorise pas cette connexion", []string{"D’après Slack, {workspace} n’autorise pas cette application, ou pas pour vous. Un administrateur de {workspace} peut l’approuver dans Slack, sous « Gérer les applications »."}, "Réessayer"},
	"workspace_moving":     {"Slack déplace votre espace de travail", []string{"{workspace} est en train de rejoindre une organisation ; pendant ce temps, Slack ne laisse personne se connecter. Réessayez plus tard ; un administrateur de {workspace} sait combien de temps cela prendra."}, "Réessayer"},
	"slack_setup":          {"La liaison avec Slack est mal configurée", []string{"Vous n’y êtes pour rien : Slack a refusé la connexion à cause des réglages de ce site.", "Prévenez la personne qui s’occupe de {host} en lui donnant le numéro de requête ci-dessous : avec lui, elle trouvera dans le journal ce qu’il faut corriger. Un administrateur de {workspace} sait qui c’est."}, "Réessayer"},
	"signature":            {"Cela ne vient pas de Slack", []string{"Seul ce que Slack a signé est accepté ici."}, ""},
	"email_changed":        {"Votre adresse e-mail a changé", []string{"Dans Slack, votre adresse e-mail n’est plus {detail}, sous laquelle {host} vous connaît. Pour protéger votre compte, l’accès est suspendu jusqu’à confirmation.", "Demandez à l’administrateur de {host} d’accepter la nouvelle adresse."}, "Se reconnecter"},
	"account_unchecked":    {"Votre compte ne peut pas être vérifié pour le moment", []string{"Slack ne répond plus depuis longtemps ; nous ne savons donc pas si vous avez encore accès. Réessayez dans un instant."}, "Réessayer"},
	"slack_answer":         {"La réponse de Slack est inutilisable", []string{"La connexion n’a pas pu être vérifiée ; personne n’a été connecté. Réessayez."}, "Réessayer"},
	"slack_unavailable":    {"Slack est injoignable pour le moment", []string{"La connexion passe par Slack, qui ne répond pas. Réessayez dans un instant."}, "Réessayer"},
	"slack_busy":           {"Beaucoup de monde se connecte en ce moment", []string{"Slack n’accepte qu’un certain nombre de connexions par minute, et il en est venu davantage. Réessayez dans un instant."}, "Réessayer"},
	"last_round":           {"", []string{"C’était la troisième tentative de suite ; en refaire une n’y changera sans doute rien. Prévenez la personne qui s’occupe de {host} en lui donnant le numéro de requête ci-dessous. Un administrateur de {workspace} sait qui c’est."}, "Recommencer malgré tout"},
	"upstream_unavailable": {"L’application ne répond pas", []string{"Vous n’y êtes pour rien. Réessayez dans un instant ; si cela persiste, indiquez à votre administrateur le numéro de requête ci-dessous."}, ""},
	"upstream_timeout":     {"L’application met trop de temps à répondre", []string{"Elle traite peut-être encore votre demande. Attendez un moment avant de la renvoyer."}, ""},
	"app_account_refused":  {"L’application n’a pas accepté votre compte", []string{"Vous êtes bien connecté(e) avec Slack, mais l’application ne vous connaît pas ou n’a pas accepté votre compte. Adressez-vous à votre administrateur avec le numéro de requête ci-dessous, puis attendez une minute avant de réessayer."}, ""},
	"app_sign_in_failed":   {"L’application n’a pas pu vous connecter", []string{"Vous n’y êtes pour rien : sa propre connexion n’a pas fonctionné. Réessayez dans un instant ; si cela persiste, indiquez à votre administrateur le numéro de requête ci-dessous."}, ""},
	"client_gone":          {"Vous n’avez pas attendu la réponse", nil, ""},
	"body_malformed":       {"Ce que vous avez envoyé est illisible", []string{"La requête s’est interrompue ou est mal formée."}, ""},
	"body_silent":          {"Votre envoi n’est pas arrivé en entier", []string{"La connexion s’est tue au milieu. Réessayez."}, ""},
	"too_large":            {"C’est trop volumineux", []string{"Ce que vous avez envoyé dépasse ce que ce site accepte."}, ""},
	"account":              {"Session ouverte", []string{"Vous êtes connecté(e) à {host} avec votre compte Slack."}, "Retour à l’application"},
	"sign_out":             {"Se déconnecter ?", []string{"Cela met fin à votre session sur {host} dans ce navigateur. Vous restez connecté(e) à Slack."}, "Non, revenir"},
	"signed_out":           {"Vous êtes déconnecté(e)", []string{"Votre session sur {host} est terminée dans ce navigateur. Vous êtes toujours connecté(e) à Slack."}, "Se reconnecter"},
	"form_too_large":       {"Ce formulaire est trop volumineux pour être conservé", []string{"Votre session est terminée, il n’a donc pas été envoyé, et il dépasse ce qui peut être conservé pour vous entre-temps.", "Reconnectez-vous dans un nouvel onglet, puis revenez au formulaire avec le bouton Précédent du navigateur et renvoyez-le : votre saisie y est le plus souvent encore."}, "Se connecter avec Slack"},
	"form_kept":            {"Votre session est terminée, votre formulaire est conservé", []string{"Il n’a pas encore été envoyé. Reconnectez-vous dans les 15 minutes et un seul bouton suffira pour l’envoyer."}, "Se connecter avec Slack"},
	"form_gone":            {"Ce formulaire n’est pas ici", []string{"Un formulaire est conservé 15 minutes, et seulement dans le navigateur où il a été rempli. Peut-être est-il déjà envoyé : vérifiez dans l’application. Sinon, le bouton Précédent du navigateur y mène peut-être encore."}, "Aller à l’accueil"},
	"form_foreign":         {"Ce formulaire est à quelqu’un d’autre", []string{"Il a été rempli par une autre personne que celle qui est connectée maintenant. Il n’a pas été envoyé ; elle seule peut le voir et l’envoyer, en se connectant ici dans les 15 minutes."}, "Aller à l’accueil"},
	"form_sent":            {"Ce formulaire a déjà été transmis", []string{"Un formulaire n’est transmis à l’application qu’une seule fois, pour que rien ne se fasse en double. Vérifiez là-bas s’il est arrivé."}, "Retour à l’application"},
	"form_unavailable":     {"Réessayez dans un instant", []string{"Le formulaire ne peut pas être lu pour le moment. Il n’a pas été envoyé."}, "Réessayer"},
	"form_unreached":       {"L’application ne répond pas", []string{"Votre formulaire ne lui est pas parvenu et reste conservé, 15 minutes après sa saisie. Réessayez dans un instant."}, "Réessayer"},
	"form_uncertain":       {"L’application n’a pas répondu", []string{"Elle a peut-être tout de même reçu votre formulaire ; il n’est donc pas envoyé une seconde fois. Vérifiez d’abord dans l’application. Votre saisie reste lisible quelques minutes."}, "Relire ma saisie"},
	"form":                 {"Envoyer maintenant ?", []string{"Votre session était terminée quand vous avez envoyé ce formulaire. Il a été conservé et n’a pas encore été envoyé."}, "Ne pas l’envoyer"},
}

// labels are the short words around facts and buttons.
var labels = map[string]map[string]string{
	"en": {"name": "Name", "email": "E-mail", "workspace": "Workspace", "until": "Signed in until", "sign_out": "Sign out", "site": "Site", "sign_in": "Sign in", "back_at": "Expected back:", "request": "Request number", "slack": "Slack says",
		"sign_out_everywhere": "Sign out everywhere", "sessions": "Where you are signed in", "this_one": "this browser", "on": "on", "unknown_browser": unknownBrowser,
		"just_now": "just now", "minutes_ago": "{n} minutes ago", "hours_ago": "{n} hours ago", "days_ago": "{n} days ago",
		"goes_to": "Goes to", "good_until": "Good until", "send": "Send it now", "more": "%d more", "bytes": "B kB MB"},
	"fr": {"name": "Nom", "email": "E-mail", "workspace": "Espace de travail", "until": "Connecté(e) jusqu’à", "sign_out": "Se déconnecter", "site": "Site", "sign_in": "Se connecter", "back_at": "Retour prévu :", "request": "Numéro de requête", "slack": "Slack dit",
		"sign_out_everywhere": "Se déconnecter partout", "sessions": "Où vous êtes connecté(e)", "this_one": "ce navigateur", "on": "sur", "unknown_browser": "Navigateur inconnu",
		"just_now": "à l’instant", "minutes_ago": "il y a {n} minutes", "hours_ago": "il y a {n} heures", "days_ago": "il y a {n} jours",
		"goes_to": "Destination", "good_until": "Valable jusqu’au", "send": "Envoyer", "more": "encore %d", "bytes": "o ko Mo"},
}
