package cocoomsim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
)

const (
	maxForm   = 64 << 10  // bytes of a form's body
	maxUpload = 256 << 20 // bytes of an upload's body
)

// assign gives a colleague a task and tells the webhook, as PHP would: within
// the request, before the page goes on.
func (a *App) assign(w http.ResponseWriter, v *visit) error {
	d, err := v.formDossier(w)
	if err != nil {
		return err
	}
	title := shorten(strings.TrimSpace(v.PostFormValue("titre")), maxTitle)
	if title == "" {
		return &pageError{http.StatusUnprocessableEntity, "La tâche n’a pas d’intitulé."}
	}
	colleague, ok := v.tenant.colleague(v.PostFormValue("a"))
	if !ok {
		return &pageError{http.StatusUnprocessableEntity, "Cette personne n’a pas de compte ici."}
	}
	t := v.tenant.board.addTask(d.N, task{Title: title, For: colleague, By: v.who.Person, At: a.now()})
	tab := fmt.Sprintf("/dossiers/%d?onglet=taches", d.N)
	// A visitor who does not wait for the page must not undo the call.
	result := a.notify(context.WithoutCancel(v.Context()), v.tenant, v.about(t, d, "assigned"))
	v.tenant.board.setHook(d.N, t.ID, result)
	v.session.setFlash(flash{result.Kind, fmt.Sprintf("Tâche assignée à %s. %s", colleague, result.Text)})
	http.Redirect(w, v.Request, tab, http.StatusSeeOther)
	return nil
}

// closeTask ends a task, and has what its colleague was told of it say so.
func (a *App) closeTask(w http.ResponseWriter, v *visit) error {
	d, err := v.formDossier(w)
	if err != nil {
		return err
	}
	t, ok := v.tenant.board.closeTask(d.N, v.PostFormValue("tache"), v.who.String(), a.now())
	if !ok {
		return &pageError{http.StatusNotFound, "Cette tâche n’existe pas, ou elle est déjà close."}
	}
	result := a.notify(context.WithoutCancel(v.Context()), v.tenant, v.about(t, d, "closed"))
	v.session.setFlash(flash{result.Kind, "Tâche close. " + result.Text})
	http.Redirect(w, v.Request, fmt.Sprintf("/dossiers/%d?onglet=taches", d.N), http.StatusSeeOther)
	return nil
}

// about is what the webhook is told when something has happened to a task. Its
// wording is not the app's: who reads it may read another language.
func (v *visit) about(t task, d dossier, what string) notification {
	return notification{
		to: t.For.Email, actor: v.who.Email,
		data:   map[string]string{"by": v.who.String(), "title": t.Title, "dossier": fmt.Sprint(d.N), "client": d.Client},
		link:   fmt.Sprintf("%s/dossiers/%d?onglet=taches", v.origin(), d.N),
		event:  "task." + what,
		entity: "task:" + t.ID, mode: "update", // one message per task, which changes with it
		dedupKey: "task-" + t.ID + "-" + what,
	}
}

// addNote adds a note to a dossier, and tells the customer's channel of it in
// band: there is no answer to show.
func (a *App) addNote(w http.ResponseWriter, v *visit) error {
	d, err := v.formDossier(w)
	if err != nil {
		return err
	}
	text := shorten(strings.TrimSpace(v.PostFormValue("texte")), maxText)
	if text == "" {
		return &pageError{http.StatusUnprocessableEntity, "La note est vide."}
	}
	v.tenant.board.addNote(d.N, note{v.who.String(), text, a.now()})
	if v.tenant.NoteChannel != "" {
		w.Header().Add("X-Notify", v.noteHeader(d, text))
	}
	v.session.setFlash(flash{"ok", "Note ajoutée."})
	http.Redirect(w, v.Request, fmt.Sprintf("/dossiers/%d?onglet=notes", d.N), http.StatusSeeOther)
	return nil
}

// upload counts a file's bytes as they stream in, and keeps name, size and
// digest, which is what the demo shows of it.
func (a *App) upload(w http.ResponseWriter, v *visit) error {
	d, err := v.dossierNumbered(v.PathValue("n"))
	if err != nil {
		return err
	}
	v.Body = http.MaxBytesReader(w, v.Body, maxUpload)
	form, err := v.MultipartReader()
	if err != nil {
		return &pageError{http.StatusUnsupportedMediaType, "L’envoi n’est pas un formulaire de fichier."}
	}
	f, err := readFile(form)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &pageError{http.StatusRequestEntityTooLarge, "Le fichier dépasse 256 Mio."}
	case err != nil:
		return &pageError{http.StatusBadRequest, "Aucun fichier n’est arrivé."}
	}
	f.By, f.At = v.who.String(), a.now()
	v.tenant.board.addFile(d.N, f)
	v.session.setFlash(flash{"ok", fmt.Sprintf("Fichier « %s » reçu : %d octets.", f.Name, f.Size)})
	http.Redirect(w, v.Request, fmt.Sprintf("/dossiers/%d?onglet=fichiers", d.N), http.StatusSeeOther)
	return nil
}

// readFile reads the form's part "fichier" to its end.
func readFile(form *multipart.Reader) (file, error) {
	for {
		part, err := form.NextPart()
		if err != nil {
			return file{}, fmt.Errorf("find file: %w", err)
		}
		if part.FormName() != "fichier" || part.FileName() == "" {
			continue
		}
		digest := sha256.New()
		size, err := io.Copy(digest, part)
		if err != nil {
			return file{}, fmt.Errorf("read file: %w", err)
		}
		return file{Name: shorten(part.FileName(), maxTitle), Size: size, SHA256: hex.EncodeToString(digest.Sum(nil))}, nil
	}
}

// formDossier reads a bounded form and finds the dossier it names.
func (v *visit) formDossier(w http.ResponseWriter) (dossier, error) {
	v.Body = http.MaxBytesReader(w, v.Body, maxForm)
	if err := v.ParseForm(); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return dossier{}, &pageError{http.StatusRequestEntityTooLarge, "Le formulaire est trop long."}
		}
		return dossier{}, &pageError{http.StatusBadRequest, "Le formulaire est illisible."}
	}
	return v.dossierNumbered(v.PostFormValue("dossier"))
}

// origin is the app's address as the browser knows it: the scheme is the front
// server's to say, the host is the one asked for.
func (v *visit) origin() string {
	scheme := "http"
	if v.Header.Get("X-Forwarded-Proto") == "https" || v.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + v.Host
}
