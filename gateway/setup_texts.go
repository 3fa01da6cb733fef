package gateway

import "strings"

// setupWords are the words of the set-up's pages in a language. {workspace} and
// {host} stand for the route's; {detail} is filled in where it is known.
func setupWords(lang string, rt *Route) map[string]string {
	from := setupEnglish
	if lang == "fr" {
		from = setupFrench
	}
	fill := strings.NewReplacer("{workspace}", rt.workspace(), "{host}", rt.Host, "{icon}", "cocoom.png")
	out := make(map[string]string, len(from))
	for key, s := range from {
		if lang == "fr" {
			s = frenchSpaces.Replace(s)
		}
		out[key] = fill.Replace(s)
	}
	return out
}

// scopeWords says what a bot scope lets the app do; the scope itself for one that
// is not known.
func scopeWords(lang, scope string) string {
	words := scopesEnglish
	if lang == "fr" {
		words = scopesFrench
	}
	if said := words[scope]; said != "" {
		return said
	}
	return scope
}

var scopesEnglish = map[string]string{
	"chat:write":        "send messages",
	"chat:write.public": "send messages in public channels without being invited",
	"im:write":          "open direct messages with people",
	"users:read":        "see who is in the workspace, and who is a guest or an administrator",
	"users:read.email":  "see people’s e-mail addresses",
	"channels:read":     "see the names of public channels",
	"groups:read":       "see the names of private channels that it was invited to",
	"usergroups:read":   "see the user groups and who is in them",
}

var scopesFrench = map[string]string{
	"chat:write":        "envoyer des messages",
	"chat:write.public": "envoyer des messages dans les canaux publics sans y être invitée",
	"im:write":          "ouvrir des messages directs avec les membres",
	"users:read":        "voir qui est membre, invité ou administrateur de l’espace de travail",
	"users:read.email":  "voir les adresses e-mail des membres",
	"channels:read":     "voir les noms des canaux publics",
	"groups:read":       "voir les noms des canaux privés où elle est invitée",
	"usergroups:read":   "voir les groupes d’utilisateurs et leurs membres",
}

// setupDoorEnglish are the pages around the steps; see texts.
var setupDoorEnglish = map[string]text{
	"setup_begin":     {"Connect {host} to Slack", []string{"This takes about five minutes. You need a Slack account that may install apps in your workspace; usually that is one of its administrators.", "You will create a Slack app from a ready-made description, copy three values from Slack, and press one button. The secrets are stored encrypted; nobody has to send them by e-mail.", "Keep this link to yourself: whoever has it can take your place."}, "Begin"},
	"setup_elsewhere": {"This set-up was begun in another browser", []string{"You can go on here instead. What was entered is kept, and the other browser is shut out.", "If that was not you or a colleague, take over, finish here, and tell whoever gave you the link."}, "Go on in this browser"},
	"setup_finished":  {"This set-up is finished", []string{"{host} is connected to Slack, and the link has done its work. If something has to be changed, ask whoever gave it to you for a new one."}, ""},
	"setup_done":      {"All is set up", []string{"{host} is connected to Slack. The link is used up; you can delete the e-mail it came in.", "You can close this page."}, "Go to {host}"},
	"setup_revoked":   {"This link has been withdrawn", []string{"Whoever gave it to you has withdrawn it. If you still need it, ask them for a new one."}, ""},
	"setup_replaced":  {"There is a newer link", []string{"Another link has been made for {host} since, and this one ended. Use the newer one; if you do not have it, ask whoever gave you this one."}, ""},
	"setup_expired":   {"This link has expired", []string{"It was good for 24 hours. What you have created at Slack is still there: ask whoever gave you the link for a new one, and go on."}, ""},
	"setup_unknown":   {"This link is not known here", []string{"Perhaps it was not copied whole: open it from the message it came in, or ask whoever gave it to you for a new one."}, ""},
	"setup_no_link":   {"Open the link you were given", []string{"This page continues a set-up in the browser in which it was begun. Open the link from the message you received; if you no longer have it, ask whoever gave it to you for a new one."}, ""},
	"setup_taken":     {"The set-up goes on in another browser", []string{"Somebody has opened the link there and taken over. To go on here, open the link once more from the message you received."}, ""},
	"not_connected":   {"{host} is not connected to Slack yet", []string{"Signing in is not possible until an administrator of your Slack workspace has finished the set-up.", "If that is you, open the set-up link you received. Otherwise ask whoever looks after {host}."}, "Try again"},
}

var setupDoorFrench = map[string]text{
	"setup_begin":     {"Relier {host} à Slack", []string{"Cela prend environ cinq minutes. Il vous faut un compte Slack autorisé à installer des applications dans votre espace de travail ; c’est en général celui d’un administrateur.", "Vous allez créer une application Slack à partir d’une description toute prête, copier trois valeurs depuis Slack et appuyer sur un bouton. Les secrets sont conservés chiffrés ; personne n’a à les envoyer par e-mail.", "Gardez ce lien pour vous : toute personne qui l’a peut prendre votre place."}, "Commencer"},
	"setup_elsewhere": {"Cette installation a été commencée dans un autre navigateur", []string{"Vous pouvez la poursuivre ici. Ce qui a été saisi est conservé, et l’autre navigateur est écarté.", "Si ce n’était ni vous ni un collègue, reprenez la main, terminez ici et prévenez la personne qui vous a donné le lien."}, "Continuer dans ce navigateur"},
	"setup_finished":  {"Cette installation est terminée", []string{"{host} est relié à Slack et le lien a rempli son rôle. S’il faut changer quelque chose, demandez-en un nouveau à la personne qui vous l’a donné."}, ""},
	"setup_done":      {"Tout est en place", []string{"{host} est relié à Slack. Le lien ne sert plus ; vous pouvez supprimer l’e-mail qui le contenait.", "Vous pouvez fermer cette page."}, "Aller sur {host}"},
	"setup_revoked":   {"Ce lien a été retiré", []string{"La personne qui vous l’a donné l’a retiré. S’il vous le faut encore, demandez-lui-en un nouveau."}, ""},
	"setup_replaced":  {"Il existe un lien plus récent", []string{"Un autre lien a été créé depuis pour {host}, ce qui a mis fin à celui-ci. Utilisez le plus récent ; si vous ne l’avez pas, adressez-vous à la personne qui vous a donné celui-ci."}, ""},
	"setup_expired":   {"Ce lien a expiré", []string{"Il était valable 24 heures. Ce que vous avez créé chez Slack est toujours là : demandez un nouveau lien à la personne qui vous l’a donné, puis continuez."}, ""},
	"setup_unknown":   {"Ce lien est inconnu ici", []string{"Il n’a peut-être pas été copié en entier : ouvrez-le depuis le message reçu, ou demandez-en un nouveau à la personne qui vous l’a donné."}, ""},
	"setup_no_link":   {"Ouvrez le lien que vous avez reçu", []string{"Cette page poursuit une installation dans le navigateur où elle a été commencée. Ouvrez le lien depuis le message reçu ; si vous ne l’avez plus, demandez-en un nouveau à la personne qui vous l’a donné."}, ""},
	"setup_taken":     {"L’installation se poursuit dans un autre navigateur", []string{"Quelqu’un y a ouvert le lien et repris la main. Pour continuer ici, ouvrez de nouveau le lien depuis le message reçu."}, ""},
	"not_connected":   {"{host} n’est pas encore relié à Slack", []string{"La connexion sera possible quand un administrateur de votre espace de travail Slack aura terminé l’installation.", "Si c’est vous, ouvrez le lien d’installation que vous avez reçu. Sinon, adressez-vous à la personne qui s’occupe de {host}."}, "Réessayer"},
}

var setupEnglish = map[string]string{
	"title": "Connect {host} to Slack", "heading": "Step {n} of {of}: {detail}", "error": "Error:", "progress": "Progress", "done": "done", "slack_says": "Slack says", "request": "Request number",
	"step_1": "Create the app", "step_2": "Three values", "step_3": "Install", "step_4": "Try it",
	"new_tab": "opens in a new tab",

	"create_text":   "The button leads to Slack. Everything the app needs is filled in already.",
	"create_button": "Create the app at Slack",
	"create_1":      "At Slack, choose the workspace of {host} and press “Next”, then “Create”.",
	"create_2":      "On the page “Basic Information”, scroll to “Display Information” and upload the icon below. Press “Save Changes”.",
	"create_3":      "If Slack says on the page “App Manifest” that the URL for events is not verified, press “Click here to verify”.",
	"create_4":      "Go back to “Basic Information”: the next step needs values from there.",
	"icon":          "The app’s icon", "icon_get": "Download the icon",
	"create_next": "The app is created: go on",

	"secrets_text":   "All three stand at Slack, on the page “Basic Information” of the app, under “App Credentials”. Press “Show” to see a secret, and copy it from there.",
	"client_id":      "Client ID",
	"client_secret":  "Client Secret",
	"signing_secret": "Signing Secret",
	"kept":           "Already entered. Leave it empty to keep it.",
	"secrets_button": "Check and go on",
	"secrets_safe":   "They are stored encrypted and never shown again.",

	"install_text":   "Slack now asks whether the app may work in your workspace. It will be able to:",
	"install_team":   "Choose the workspace {detail}.",
	"install_button": "Install to Slack",

	"try_text":      "The app is installed. See whether everything works:",
	"try_wait":      "The app is installed and is being put into service. This page goes on by itself in a moment.",
	"sign_in":       "Sign in",
	"sign_in_text":  "Sign in to {host} as everybody will. You come back to this page.",
	"sign_in_try":   "Try the sign-in",
	"sign_in_good":  "The sign-in works. You are signed in as:",
	"message":       "Message",
	"message_try":   "Send me a message",
	"message_again": "Send another one",
	"message_intro": "A direct message to you in Slack, on the way that notifications take.",
	"message_text":  "It works: {host} can send notifications in Slack.",
	"message_sent":  "Delivered: look in Slack, under “Apps”.",
	"message_waits": "On its way. This page shows by itself when it has arrived.",
	"finish":        "Finish", "finish_text": "With that the link is used up.",
	"message_messages_tab_disabled": "Slack says that the app takes no direct messages. At Slack, under “App Home”, switch the “Messages Tab” on, then send another one.",
	"message_missing_scope":         "The app lacks a permission. Go back to “Install”, and install it once more.",
	"message_token_revoked":         "The app has been removed from the workspace. Go back to “Install”, and install it once more.",
	"message_account_inactive":      "The app has been removed from the workspace. Go back to “Install”, and install it once more.",
	"message_failed":                "The message could not be delivered. Send another one; if it stays so, tell whoever gave you the link what Slack says.",

	"no_fields":               "Something is not right yet. What was right is kept.",
	"no_empty":                "This is still missing.",
	"no_shape_client_id":      "A Client ID is two numbers with a dot between them, such as 1234567890.0987654321. The App ID (A…) is another thing.",
	"no_shape_client_secret":  "A Client Secret is 32 letters and digits. Press “Show” beside it at Slack, and copy all of it.",
	"no_shape_signing_secret": "A Signing Secret is 32 letters and digits. Press “Show” beside it at Slack, and copy all of it; the “Verification Token” is another thing.",
	"no_same_secret":          "This is the Client Secret once more. The Signing Secret stands below it at Slack.",
	"no_client_id":            "Slack knows no app with this Client ID. Copy it once more.",
	"no_client_secret":        "Slack says that this is not the secret of the app with this Client ID. Copy it once more.",
	"no_slack_down":           "Slack cannot be reached right now. What you entered is kept: try again in a moment.",
	"no_slack_busy":           "Slack asks us to go slower. What you entered is kept: try again in a minute.",
	"no_answer":               "Slack’s answer could not be used, so nothing was changed. Please try again; if it stays so, tell whoever gave you the link the request number below.",
	"no_refused":              "Slack has refused. Please try again; if it stays so, tell whoever gave you the link what Slack says, and the request number below.",
	"no_settings":             "The app at Slack lacks a setting. Was it created by the button of step 1? If not, create it that way, and enter the new app’s three values.",
	"no_rotation":             "The app’s tokens expire: “token rotation” is on, so that it would stop working within twelve hours, and Slack lets nobody turn that off again. Create another app by the button of step 1, and enter its three values.",
	"no_stale":                "That took too long, or was used already. Simply press the button again.",
	"no_cancelled":            "You have cancelled at Slack. Nothing was installed; you can press the button again.",
	"no_approval":             "Your workspace wants apps to be approved first. Ask one of its owners to approve the app in Slack, under “Manage apps”, then press the button again.",
	"no_wrong_workspace":      "The app was installed to {detail}, but {host} belongs to {workspace}. Nothing of that installation was kept. Press the button again and choose {workspace} at the top right; you can remove the app from {detail} there.",
	"no_enterprise":           "The app was installed for a whole organisation. {host} needs it in one workspace: press the button again, and choose a workspace rather than the organisation. Nothing of that installation was kept.",
	"no_other_app":            "This is another app than the one that was installed before. Enter the values of the right one in step 2, or ask whoever gave you the link.",
	"no_scopes":               "Slack has not granted everything: {detail} is missing. Was the app created by the button of step 1? Add what is missing at Slack under “OAuth & Permissions”, then press the button again.",
	"no_guest":                "{detail} is a guest in this workspace. A full member has to install the app: sign in to Slack as one, and press the button again. Nothing of that installation was kept.",
	"no_admin":                "{detail} is no administrator of this workspace. The first installation decides which workspace {host} belongs to, so an administrator or owner has to do it: sign in to Slack as one, and press the button again. Nothing of that installation was kept.",
	"no_unasked":              "Without the permission users:read nobody can tell whether you are an administrator of the workspace. Create the app by the button of step 1, or ask whoever gave you the link.",
}

var setupFrench = map[string]string{
	"title": "Relier {host} à Slack", "heading": "Étape {n} sur {of} : {detail}", "error": "Erreur :", "progress": "Avancement", "done": "fait", "slack_says": "Slack dit", "request": "Numéro de requête",
	"step_1": "Créer l’application", "step_2": "Trois valeurs", "step_3": "Installer", "step_4": "Essayer",
	"new_tab": "s’ouvre dans un nouvel onglet",

	"create_text":   "Le bouton mène chez Slack. Tout ce qu’il faut à l’application y est déjà rempli.",
	"create_button": "Créer l’application chez Slack",
	"create_1":      "Chez Slack, choisissez l’espace de travail de {host}, puis appuyez sur « Next » et « Create ».",
	"create_2":      "Sur la page « Basic Information », descendez jusqu’à « Display Information » et déposez l’icône ci-dessous. Appuyez sur « Save Changes ».",
	"create_3":      "Si Slack indique sur la page « App Manifest » que l’URL des événements n’est pas vérifiée, appuyez sur « Click here to verify ».",
	"create_4":      "Revenez à « Basic Information » : l’étape suivante demande des valeurs qui s’y trouvent.",
	"icon":          "L’icône de l’application", "icon_get": "Télécharger l’icône",
	"create_next": "L’application est créée : continuer",

	"secrets_text":   "Toutes trois se trouvent chez Slack, sur la page « Basic Information » de l’application, sous « App Credentials ». Appuyez sur « Show » pour voir un secret, puis copiez-le.",
	"client_id":      "Client ID",
	"client_secret":  "Client Secret",
	"signing_secret": "Signing Secret",
	"kept":           "Déjà saisi. Laissez vide pour le garder.",
	"secrets_button": "Vérifier et continuer",
	"secrets_safe":   "Elles sont conservées chiffrées et ne sont plus jamais affichées.",

	"install_text":   "Slack demande maintenant si l’application peut travailler dans votre espace de travail. Elle pourra :",
	"install_team":   "Choisissez l’espace de travail {detail}.",
	"install_button": "Installer dans Slack",

	"try_text":      "L’application est installée. Vérifiez que tout fonctionne :",
	"try_wait":      "L’application est installée et sa mise en service est en cours. Cette page continue d’elle-même dans un instant.",
	"sign_in":       "Connexion",
	"sign_in_text":  "Connectez-vous à {host} comme tout le monde le fera. Vous reviendrez sur cette page.",
	"sign_in_try":   "Essayer la connexion",
	"sign_in_good":  "La connexion fonctionne. Vous êtes connecté(e) en tant que :",
	"message":       "Message",
	"message_try":   "M’envoyer un message",
	"message_again": "En envoyer un autre",
	"message_intro": "Un message direct pour vous dans Slack, par le chemin que prennent les notifications.",
	"message_text":  "Cela fonctionne : {host} peut envoyer des notifications dans Slack.",
	"message_sent":  "Remis : regardez dans Slack, sous « Applications ».",
	"message_waits": "En route. Cette page montrera d’elle-même son arrivée.",
	"finish":        "Terminer", "finish_text": "Le lien ne servira plus ensuite.",
	"message_messages_tab_disabled": "Slack indique que l’application ne reçoit pas de messages directs. Chez Slack, sous « App Home », activez « Messages Tab », puis envoyez un autre message.",
	"message_missing_scope":         "Il manque une autorisation à l’application. Revenez à « Installer » et installez-la de nouveau.",
	"message_token_revoked":         "L’application a été retirée de l’espace de travail. Revenez à « Installer » et installez-la de nouveau.",
	"message_account_inactive":      "L’application a été retirée de l’espace de travail. Revenez à « Installer » et installez-la de nouveau.",
	"message_failed":                "Le message n’a pas pu être remis. Envoyez-en un autre ; si cela persiste, indiquez ce que dit Slack à la personne qui vous a donné le lien.",

	"no_fields":               "Quelque chose ne va pas encore. Ce qui était juste est conservé.",
	"no_empty":                "Il manque encore cette valeur.",
	"no_shape_client_id":      "Un Client ID est fait de deux nombres séparés par un point, comme 1234567890.0987654321. L’App ID (A…) est autre chose.",
	"no_shape_client_secret":  "Un Client Secret compte 32 lettres et chiffres. Appuyez sur « Show » à côté de lui chez Slack et copiez-le en entier.",
	"no_shape_signing_secret": "Un Signing Secret compte 32 lettres et chiffres. Appuyez sur « Show » à côté de lui chez Slack et copiez-le en entier ; le « Verification Token » est autre chose.",
	"no_same_secret":          "C’est encore le Client Secret. Le Signing Secret se trouve en dessous chez Slack.",
	"no_client_id":            "Slack ne connaît aucune application avec ce Client ID. Copiez-le de nouveau.",
	"no_client_secret":        "D’après Slack, ce n’est pas le secret de l’application qui a ce Client ID. Copiez-le de nouveau.",
	"no_slack_down":           "Slack est injoignable pour le moment. Votre saisie est conservée : réessayez dans un instant.",
	"no_slack_busy":           "Slack nous demande de ralentir. Votre saisie est conservée : réessayez dans une minute.",
	"no_answer":               "La réponse de Slack est inutilisable ; rien n’a été changé. Réessayez ; si cela persiste, indiquez le numéro de requête ci-dessous à la personne qui vous a donné le lien.",
	"no_refused":              "Slack a refusé. Réessayez ; si cela persiste, indiquez ce que dit Slack et le numéro de requête ci-dessous à la personne qui vous a donné le lien.",
	"no_settings":             "Il manque un réglage à l’application chez Slack. A-t-elle été créée par le bouton de l’étape 1 ? Sinon, créez-la ainsi et saisissez les trois valeurs de la nouvelle application.",
	"no_rotation":             "Les jetons de l’application expirent : la « rotation des jetons » est activée. Elle cesserait de fonctionner dans les douze heures, et Slack ne permet pas de la désactiver. Créez une autre application par le bouton de l’étape 1 et saisissez ses trois valeurs.",
	"no_stale":                "Cela a pris trop de temps ou a déjà servi. Il suffit d’appuyer de nouveau sur le bouton.",
	"no_cancelled":            "Vous avez annulé chez Slack. Rien n’a été installé ; vous pouvez appuyer de nouveau sur le bouton.",
	"no_approval":             "Votre espace de travail veut d’abord approuver les applications. Demandez à l’un de ses propriétaires de l’approuver dans Slack, sous « Gérer les applications », puis appuyez de nouveau sur le bouton.",
	"no_wrong_workspace":      "L’application a été installée dans {detail}, mais {host} appartient à {workspace}. Rien de cette installation n’a été conservé. Appuyez de nouveau sur le bouton et choisissez {workspace} en haut à droite ; vous pouvez retirer l’application de {detail}.",
	"no_enterprise":           "L’application a été installée pour toute une organisation. {host} en a besoin dans un seul espace de travail : appuyez de nouveau sur le bouton et choisissez un espace plutôt que l’organisation. Rien de cette installation n’a été conservé.",
	"no_other_app":            "C’est une autre application que celle qui était installée. Saisissez les valeurs de la bonne à l’étape 2, ou adressez-vous à la personne qui vous a donné le lien.",
	"no_scopes":               "Slack n’a pas tout accordé : il manque {detail}. L’application a-t-elle été créée par le bouton de l’étape 1 ? Ajoutez ce qui manque chez Slack, sous « OAuth & Permissions », puis appuyez de nouveau sur le bouton.",
	"no_guest":                "{detail} est invité(e) dans cet espace de travail. C’est à un membre à part entière d’installer l’application : connectez-vous à Slack avec un tel compte et appuyez de nouveau sur le bouton. Rien de cette installation n’a été conservé.",
	"no_admin":                "{detail} n’est pas administrateur de cet espace de travail. La première installation décide à quel espace {host} appartient ; c’est donc à un administrateur ou propriétaire de la faire : connectez-vous à Slack avec un tel compte et appuyez de nouveau sur le bouton. Rien de cette installation n’a été conservé.",
	"no_unasked":              "Sans l’autorisation users:read, personne ne peut dire si vous êtes administrateur de l’espace de travail. Créez l’application par le bouton de l’étape 1, ou adressez-vous à la personne qui vous a donné le lien.",
}
