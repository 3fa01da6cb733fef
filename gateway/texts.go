package gateway

import "strings"

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
	out := text{Title: fill.Replace(t.Title), Link: fill.Replace(t.Link)}
	for _, p := range t.Text {
		out.Text = append(out.Text, fill.Replace(p))
	}
	return out
}

var texts = map[string]map[string]text{"en": english, "fr": french}

var english = map[string]text{
	"unknown_host":         {"No such site here", []string{"Nothing is served under this address. Check the spelling of the name before the first dot."}, ""},
	"ambiguous_path":       {"This address cannot be read", []string{"Its path can be understood in more than one way, so it was not passed on."}, ""},
	"method_not_served":    {"This kind of request is not served", nil, ""},
	"method_not_allowed":   {"This kind of request is not served here", nil, ""},
	"not_found":            {"There is no such page", []string{"The address does not exist on {host}."}, ""},
	"foreign_origin":       {"This connection comes from another site", []string{"Only pages of {host} itself may open it."}, ""},
	"internal":             {"Something went wrong", []string{"This is our fault. Please try again; if it stays, tell your administrator the request number below."}, ""},
	"store_unavailable":    {"Please try again in a moment", []string{"The sign-in cannot be written down right now. Nothing is lost."}, "Try again"},
	"sign_in_required":     {"Please sign in", []string{"This needs a sign-in with Slack."}, "Sign in with Slack"},
	"form_not_sent":        {"Your sign-in has ended, so the form was not sent", []string{"Sign in again in a new tab, then go back to the form with your browser's back button and send it once more: what you wrote is usually still there."}, "Sign in with Slack"},
	"not_allowed":          {"You may not open this page", []string{"You are signed in, but this page is reserved for others. Ask your administrator if you need it."}, "Go to the start page"},
	"sign_in_stale":        {"This sign-in cannot be finished", []string{"It was begun in another browser, took too long, or was already used. Simply begin again."}, "Sign in with Slack"},
	"sign_in_cancelled":    {"The sign-in was cancelled", []string{"You can begin again whenever you like."}, "Sign in with Slack"},
	"wrong_workspace":      {"This is not the right Slack workspace", []string{"{host} is open to the people of the workspace {workspace}. You came with an account of another workspace, or of none.", "Sign in to {workspace} in Slack, then try again."}, "Sign in with {workspace}"},
	"email_unverified":     {"Your e-mail address is not confirmed", []string{"Slack says that the e-mail address of your account is not confirmed yet. Confirm it in Slack, then sign in again."}, "Sign in again"},
	"deactivated":          {"Your Slack account is deactivated", []string{"The workspace {workspace} has deactivated this account. Ask its administrator if that is a mistake."}, "Sign in with another account"},
	"guest":                {"Guests have no access", []string{"You are a guest in the workspace {workspace}; {host} is open to its full members only. Ask its administrator if you need access."}, "Sign in with another account"},
	"slack_setup":          {"The connection to Slack is not set up right", []string{"Slack refused the sign-in because of this site's settings. Your administrator can find the reason under the request number below."}, "Try again"},
	"slack_answer":         {"Slack's answer could not be used", []string{"The sign-in could not be verified, so nobody was signed in. Please try again."}, "Try again"},
	"slack_unavailable":    {"Slack cannot be reached right now", []string{"Signing in needs Slack, and Slack does not answer. Please try again in a moment."}, "Try again"},
	"upstream_unavailable": {"The application does not answer", []string{"You are not at fault. Please try again in a moment; if it stays, tell your administrator the request number below."}, ""},
	"upstream_timeout":     {"The application takes too long to answer", []string{"It may still be working on your request. Wait a moment before you send it again."}, ""},
	"client_gone":          {"You did not wait for the answer", nil, ""},
	"body_malformed":       {"What you sent cannot be read", []string{"The request broke off or is malformed."}, ""},
	"body_silent":          {"What you sent did not arrive whole", []string{"The connection fell silent in the middle. Please try again."}, ""},
	"too_large":            {"That is too large", []string{"What you sent is larger than this site accepts."}, ""},
	"account":              {"Signed in", []string{"You are signed in to {host} with your Slack account."}, "Back to the application"},
	"sign_out":             {"Sign out?", []string{"This ends your sign-in to {host} in this browser. You stay signed in to Slack."}, "No, go back"},
	"signed_out":           {"You are signed out", []string{"Your sign-in to {host} has ended in this browser. You are still signed in to Slack."}, "Sign in again"},
	"form_too_large":       {"This form is too large to be kept", []string{"Your sign-in has ended, so it was not sent, and it is larger than what can be kept for you meanwhile.", "Sign in again in a new tab, then go back to the form with your browser's back button and send it once more: what you wrote is usually still there."}, "Sign in with Slack"},
	"form_kept":            {"Your sign-in has ended; your form is kept", []string{"It has not been sent yet. Sign in again within 15 minutes, and you can send it with one button."}, "Sign in with Slack"},
	"form_gone":            {"This form is not here", []string{"A form is kept for 15 minutes, and only in the browser that it was written in. Perhaps it was sent already: look in the application. If it was not, your browser's back button may still lead to it."}, "Go to the start page"},
	"form_foreign":         {"This form is somebody else's", []string{"It was written by another person than the one who is signed in now. It was not sent, and only that person can see and send it, by signing in here within 15 minutes."}, "Go to the start page"},
	"form_sent":            {"This form has been passed on already", []string{"A form is passed on to the application only once, so that nothing happens twice. Look there whether it has arrived."}, "Back to the application"},
	"form_unavailable":     {"Please try again in a moment", []string{"The form cannot be read right now. It has not been sent."}, "Try again"},
	"form_unreached":       {"The application does not answer", []string{"Your form has not reached it and is still kept, for 15 minutes since you wrote it. Please try again in a moment."}, "Try again"},
	"form_uncertain":       {"The application did not answer", []string{"It may have received your form all the same, so it is not sent a second time. Look in the application first. What you wrote can still be read for a few minutes."}, "Read what you wrote"},
	"form":                 {"Send it now?", []string{"Your sign-in had ended when you sent this form. It was kept, and has not been sent yet."}, "Do not send it"},
}

var french = map[string]text{
	"unknown_host":         {"Aucun site à cette adresse", []string{"Rien n’est servi sous cette adresse. Vérifiez l’orthographe du nom avant le premier point."}, ""},
	"ambiguous_path":       {"Cette adresse est illisible", []string{"Son chemin peut se comprendre de plusieurs façons ; il n’a donc pas été transmis."}, ""},
	"method_not_served":    {"Ce type de requête n’est pas servi", nil, ""},
	"method_not_allowed":   {"Ce type de requête n’est pas servi ici", nil, ""},
	"not_found":            {"Cette page n’existe pas", []string{"L’adresse n’existe pas sur {host}."}, ""},
	"foreign_origin":       {"Cette connexion vient d’un autre site", []string{"Seules les pages de {host} peuvent l’ouvrir."}, ""},
	"internal":             {"Une erreur est survenue", []string{"C’est de notre fait. Réessayez ; si cela persiste, indiquez à votre administrateur le numéro de requête ci-dessous."}, ""},
	"store_unavailable":    {"Réessayez dans un instant", []string{"La connexion ne peut pas être enregistrée pour le moment. Rien n’est perdu."}, "Réessayer"},
	"sign_in_required":     {"Connectez-vous", []string{"Il faut se connecter avec Slack."}, "Se connecter avec Slack"},
	"form_not_sent":        {"Votre session est terminée, le formulaire n’a pas été envoyé", []string{"Reconnectez-vous dans un nouvel onglet, puis revenez au formulaire avec le bouton Précédent du navigateur et renvoyez-le : votre saisie y est le plus souvent encore."}, "Se connecter avec Slack"},
	"not_allowed":          {"Vous n’avez pas accès à cette page", []string{"Vous êtes bien connecté(e), mais cette page est réservée à d’autres personnes. Adressez-vous à votre administrateur si vous en avez besoin."}, "Aller à l’accueil"},
	"sign_in_stale":        {"Cette connexion ne peut pas aboutir", []string{"Elle a été commencée dans un autre navigateur, a pris trop de temps ou a déjà servi. Il suffit de recommencer."}, "Se connecter avec Slack"},
	"sign_in_cancelled":    {"La connexion a été annulée", []string{"Vous pouvez recommencer quand vous voulez."}, "Se connecter avec Slack"},
	"wrong_workspace":      {"Ce n’est pas le bon espace de travail Slack", []string{"{host} est ouvert aux membres de l’espace de travail {workspace}. Vous êtes venu(e) avec un compte d’un autre espace, ou sans compte.", "Connectez-vous à {workspace} dans Slack, puis réessayez."}, "Se connecter avec {workspace}"},
	"email_unverified":     {"Votre adresse e-mail n’est pas confirmée", []string{"Slack indique que l’adresse e-mail de votre compte n’est pas encore confirmée. Confirmez-la dans Slack, puis reconnectez-vous."}, "Se reconnecter"},
	"deactivated":          {"Votre compte Slack est désactivé", []string{"L’espace de travail {workspace} a désactivé ce compte. Adressez-vous à son administrateur s’il s’agit d’une erreur."}, "Se connecter avec un autre compte"},
	"guest":                {"Les invités n’ont pas accès", []string{"Vous êtes invité(e) dans l’espace de travail {workspace} ; {host} est réservé à ses membres. Adressez-vous à son administrateur si vous avez besoin d’un accès."}, "Se connecter avec un autre compte"},
	"slack_setup":          {"La liaison avec Slack est mal configurée", []string{"Slack a refusé la connexion à cause des réglages de ce site. Votre administrateur en trouvera la raison sous le numéro de requête ci-dessous."}, "Réessayer"},
	"slack_answer":         {"La réponse de Slack est inutilisable", []string{"La connexion n’a pas pu être vérifiée ; personne n’a été connecté. Réessayez."}, "Réessayer"},
	"slack_unavailable":    {"Slack est injoignable pour le moment", []string{"La connexion passe par Slack, qui ne répond pas. Réessayez dans un instant."}, "Réessayer"},
	"upstream_unavailable": {"L’application ne répond pas", []string{"Vous n’y êtes pour rien. Réessayez dans un instant ; si cela persiste, indiquez à votre administrateur le numéro de requête ci-dessous."}, ""},
	"upstream_timeout":     {"L’application met trop de temps à répondre", []string{"Elle traite peut-être encore votre demande. Attendez un moment avant de la renvoyer."}, ""},
	"client_gone":          {"Vous n’avez pas attendu la réponse", nil, ""},
	"body_malformed":       {"Ce que vous avez envoyé est illisible", []string{"La requête s’est interrompue ou est mal formée."}, ""},
	"body_silent":          {"Votre envoi n’est pas arrivé en entier", []string{"La connexion s’est tue au milieu. Réessayez."}, ""},
	"too_large":            {"C’est trop volumineux", []string{"Ce que vous avez envoyé dépasse ce que ce site accepte."}, ""},
	"account":              {"Connecté", []string{"Vous êtes connecté(e) à {host} avec votre compte Slack."}, "Retour à l’application"},
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
	"en": {"name": "Name", "email": "E-mail", "workspace": "Workspace", "until": "Signed in until", "sign_out": "Sign out", "request": "Request",
		"goes_to": "Goes to", "send": "Send it now", "more": "%d more", "bytes": "B kB MB"},
	"fr": {"name": "Nom", "email": "E-mail", "workspace": "Espace de travail", "until": "Connecté(e) jusqu’à", "sign_out": "Se déconnecter", "request": "Requête",
		"goes_to": "Destination", "send": "Envoyer", "more": "encore %d", "bytes": "o ko Mo"},
}
