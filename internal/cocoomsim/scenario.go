package cocoomsim

import "strings"

// seed is a dossier of the demo as it stands at the start.
type seed struct {
	n             int
	title, client string
	notes, tasks  []string
}

// scenario returns the demo's dossiers for a host: a publisher's for
// editionsduport, a maker of staplers' for everybody else. Both have a dossier
// 12, so that one address shows two customers' separate data.
func scenario(host string) []seed {
	if strings.HasPrefix(host, "editionsduport.") {
		return publisher()
	}
	return stationer()
}

func stationer() []seed {
	return []seed{
		{12, "Refonte du catalogue 2026", "Papeterie Lenoir",
			[]string{
				"Le client préfère la couverture bleue. Maquette à renvoyer avant vendredi.",
				"Les photos des agrafeuses de bureau sont arrivées : 48 fichiers, il manque la série « Titan ».",
			},
			[]string{"Relire le devis d’impression", "Demander les photos de la série « Titan »"}},
		{9, "Salon du bureau, stand B42", "Interne",
			[]string{"Surface confirmée : 18 m². Prévoir deux prises et un écran."},
			[]string{"Réserver le transport du stand"}},
		{7, "Litige livraison nº 88-1204", "Bureau Facile",
			[]string{"Douze cartons reçus sur quatorze. Le transporteur a ouvert une enquête."},
			[]string{"Rappeler le transporteur"}},
		{3, "Certification NF des agrafes 24/6", "Laboratoire LNE",
			[]string{"Échantillons envoyés. Résultats attendus sous trois semaines."},
			nil},
	}
}

func publisher() []seed {
	return []seed{
		{12, "« Les Marées lentes » : épreuves", "Hélène Kervadec",
			[]string{
				"L’autrice rend ses corrections du chapitre 4 lundi.",
				"Le papier bouffant 80 g est de nouveau disponible chez l’imprimeur.",
			},
			[]string{"Corriger les épreuves du chapitre 4", "Valider le papier avec l’imprimeur"}},
		{11, "Foire de Francfort", "Interne",
			[]string{"Six rendez-vous pris pour les droits étrangers."},
			[]string{"Préparer le catalogue des droits"}},
		{5, "Réédition de « Port d’attache »", "Succession Morvan",
			[]string{"Contrat signé, reste à choisir la préface."},
			[]string{"Relancer le préfacier"}},
	}
}
