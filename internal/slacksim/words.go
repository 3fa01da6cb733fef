package slacksim

import (
	"net/http"
	"strings"
)

// language picks the pages' language: French when the browser asks for it
// first, else English.
func language(r *http.Request) string {
	if strings.HasPrefix(strings.ToLower(strings.TrimSpace(r.Header.Get("Accept-Language"))), "fr") {
		return "fr"
	}
	return "en"
}

// words are the pages' texts. %s in a title is the app's name.
func words(lang string) map[string]string {
	table := map[string][2]string{
		"simulated":     {"Simulated Slack. Nothing here leaves this machine.", "Slack simulé. Rien ne sort de cette machine."},
		"signin_title":  {"Sign in to %s with Slack", "Se connecter à %s avec Slack"},
		"install_title": {"Install %s in a workspace", "Installer %s dans un espace de travail"},
		"wants":         {"%s would like to", "%s souhaite"},
		"who":           {"Continue as", "Continuer en tant que"},
		"allow_as":      {"Allow as", "Autoriser en tant que"},
		"other":         {"Use another workspace", "Utiliser un autre espace de travail"},
		"cancel":        {"Cancel", "Annuler"},
		"signed_in":     {"Signed in", "Connecté"},
		"guest":         {"Guest", "Invité"},
		"admin":         {"Admin", "Admin"},
		"deactivated":   {"Deactivated", "Désactivé"},
		"wrong_title":   {"Something went wrong when authorizing this app.", "Un problème est survenu lors de l’autorisation de cette application."},
		"wrong_back":    {"Try going back and authorizing again. If you are still stuck, contact the people who made the app.", "Revenez en arrière et réessayez. Si le problème persiste, contactez les auteurs de l’application."},
		"details":       {"Error details", "Détails de l’erreur"},
		"undistributed": {"This app can only be used by the workspace that owns it. You chose a person of another workspace:", "Cette application n’est utilisable que par l’espace de travail qui la possède. Vous avez choisi une personne d’un autre espace :"},
		"go_back":       {"Go back and choose again", "Revenir et choisir de nouveau"},
		"home_title":    {"Workspaces", "Espaces de travail"},
		"home_lead":     {"Pick a workspace to see which message arrived for whom.", "Choisissez un espace pour voir quel message est arrivé, et pour qui."},
		"open":          {"Open", "Ouvrir"},
		"people":        {"people", "personnes"},
		"messages":      {"messages", "messages"},
		"all":           {"All messages", "Tous les messages"},
		"all_lead":      {"Who got what, newest first.", "Qui a reçu quoi, du plus récent au plus ancien."},
		"channels":      {"Channels", "Canaux"},
		"dms":           {"Direct messages", "Messages directs"},
		"view_as":       {"View as", "Voir en tant que"},
		"none":          {"No message yet.", "Aucun message pour l’instant."},
		"none_hint":     {"What the app sends will stand here; the page refreshes by itself.", "Les messages de l’application apparaîtront ici ; la page s’actualise seule."},
		"no_dms":        {"No direct message yet", "Aucun message direct"},
		"edited":        {"(edited)", "(modifié)"},
		"in_thread":     {"in a thread", "dans un fil"},
		"you":           {"you", "vous"},
		"app":           {"APP", "APPLI"},
		"manage":        {"As an administrator:", "En tant qu’administrateur :"},
		"do_deactivate": {"Deactivate", "Désactiver"},
		"do_activate":   {"Activate again", "Réactiver"},
		"do_guest":      {"Make a guest", "Rendre invité"},
		"do_member":     {"Make a full member", "Rendre membre"},
		"do_join":       {"Add to", "Ajouter à"},
		"do_leave":      {"Remove from", "Retirer de"},
		"home":          {"All workspaces", "Tous les espaces"},
		"member_of":     {"members", "membres"},
		"scope_openid":  {"Confirm your identity on Slack", "Confirmer votre identité sur Slack"},
		"scope_email":   {"View your email address", "Consulter votre adresse e-mail"},
		"scope_profile": {"View your name and profile picture", "Consulter votre nom et votre photo de profil"},
	}
	column := 0
	if lang == "fr" {
		column = 1
	}
	out := make(map[string]string, len(table))
	for k, v := range table {
		out[k] = v[column]
	}
	return out
}
